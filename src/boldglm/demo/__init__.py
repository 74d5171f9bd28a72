"""A generated dataset with known activation, and its analysis through both levels."""
