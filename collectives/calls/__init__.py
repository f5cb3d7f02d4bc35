"""The calls of a program: buffers in, buffers out."""
