"""Sweeps: a bench command asked at many points, on this machine's cores or on many machines."""
