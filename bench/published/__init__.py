"""Published measurements, and what the model says of each."""
