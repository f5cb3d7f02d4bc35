"""NIXL's Python names over memory of processes of one host, for engines that have its connector."""
