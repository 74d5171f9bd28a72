"""Levels above the run: the fits of a node, and inference over a group."""
