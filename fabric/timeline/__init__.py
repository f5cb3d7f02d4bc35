"""The answer of a simulation: the value, its file, its views and its traces."""
