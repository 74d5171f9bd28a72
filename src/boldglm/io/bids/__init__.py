"""What a BIDS dataset holds: runs, sidecars, events, confounds tables, participants."""
