"""``bench pool``: a pool of blocks under a trace of requests, and published figures of one."""
