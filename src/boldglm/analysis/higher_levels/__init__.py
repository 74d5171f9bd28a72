"""Higher levels: combine runs or participants, and test over a group."""
