"""Nodes of a streaming network: small components joined by streams of known shape."""
