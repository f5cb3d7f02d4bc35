"""The page of a world that runs: a local server sends to it what happens, while it happens."""
