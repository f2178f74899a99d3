"""Generator of streaming hardware for piecewise-approximated convolutions."""
