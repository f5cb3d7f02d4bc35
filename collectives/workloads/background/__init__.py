"""Streams of traffic beside an operation: what they cost it, and what it leaves them."""
