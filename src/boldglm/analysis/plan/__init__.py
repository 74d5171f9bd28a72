"""The plan: every run, design and level, checked before any data are read."""
