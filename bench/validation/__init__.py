"""Published measurements beside the model, and the constants that are fitted to some of them."""
