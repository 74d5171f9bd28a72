"""First levels that other programs estimated: where their maps lie, and what they say."""
