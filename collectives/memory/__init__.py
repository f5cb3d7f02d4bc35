"""Memory that ranks register and others reach: one-sided windows, and a pool of blocks."""
