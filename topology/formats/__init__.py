"""Topologies and placements in files and in other libraries' terms: TOML, networkx, rank tables."""
