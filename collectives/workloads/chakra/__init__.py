"""Chakra execution traces: the files, their messages, and what they mean."""
