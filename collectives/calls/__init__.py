"""The calls of a program, which take buffers and fill buffers."""
