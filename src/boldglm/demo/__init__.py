"""A simulated dataset with known activation, and its analysis at both levels."""
