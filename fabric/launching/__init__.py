"""Launching: ranks as threads or processes, here, on several hosts, or under MPI and torchrun."""
