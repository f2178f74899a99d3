"""Dot products of codes: interchangeable hardware of equal integers."""
