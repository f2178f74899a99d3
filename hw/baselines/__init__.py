"""What PA is compared with, synthesised by the same flow with the same flags.

Plain components as others build them (:mod:`hw.baselines.xnor`, :mod:`hw.baselines.multiply`), and
integer layers as tables, which run on PA's own datapaths (:mod:`hw.baselines.tables`).
"""
