"""Opening, bounding, decoding and writing files, each in one place."""
