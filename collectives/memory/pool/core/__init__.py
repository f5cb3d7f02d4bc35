"""What a pool decides: the owner of a key, the place of a block, what is evicted. No I/O."""
