"""The transport between processes: shared memory on one host, ZeroMQ sockets between hosts."""
