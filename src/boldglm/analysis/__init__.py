"""What is computed, and from what: the model, the plan, and the steps of each level."""
