"""Traffic classes: which transfers go first, how others share, what each may and must get."""
