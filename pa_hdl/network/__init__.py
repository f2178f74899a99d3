"""Whole networks: one streaming accelerator from a ``.pa`` file."""
