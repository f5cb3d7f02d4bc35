"""Steps of serving a language model: operators of a layer, their cost, and how they overlap."""
