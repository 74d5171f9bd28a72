"""The first level: from a run's tables to its design, and from its fit to maps."""
