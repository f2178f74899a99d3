"""Schemes from the literature that piecewise approximation is compared with.

``docs/rivals.md`` lists their equations and where each differs from its paper.
"""
