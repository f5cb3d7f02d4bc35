"""Processes, files, keys and waits of one host, and what a forked child must not use."""
