"""`launch` by the path that it had before 0.2.0; what is new is in `fabric.launching`."""

from fabric.launching.launch import launch

__all__ = ["launch"]
