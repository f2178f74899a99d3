"""Leaf cells of devices, each beside a portable form of the same function."""
