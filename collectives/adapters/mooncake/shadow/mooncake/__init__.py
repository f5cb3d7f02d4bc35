"""What ``import mooncake`` finds if this folder is on Python's path: Triplane's adapter."""
