"""Traffic classes: which transfers go first, how others share, and what each may take."""
