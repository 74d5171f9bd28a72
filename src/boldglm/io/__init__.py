"""Files to arrays and records, and back."""
