"""The authority over running ranks: who is in which call, who is lost, and what time it is."""
