"""Mooncake's Python names over the pool, for programs and engines that have connectors for it."""
