"""Engines: how long transfers take. Their contracts, what they share, and `flow`."""
