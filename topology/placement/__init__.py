"""Where ranks go: allocators over a topology, what they avoid, and how full a machine gets."""
