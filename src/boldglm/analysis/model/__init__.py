"""The model of an analysis: a BIDS Stats Model, the default one, and its options."""
