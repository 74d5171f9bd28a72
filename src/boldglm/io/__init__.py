"""Files and folders to arrays and records, and back. Knows nothing of nipype."""
