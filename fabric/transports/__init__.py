"""Transports: threads, ZeroMQ with shared memory, MPI; and the parts that they are made of."""
