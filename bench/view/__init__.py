"""The interactive page: one HTML file of a topology and of what ran on it."""
