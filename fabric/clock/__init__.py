"""Emulated time for running ranks. Nothing here does I/O, except writing traces."""
