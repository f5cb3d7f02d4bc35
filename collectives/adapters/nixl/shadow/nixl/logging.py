"""NIXL's ``nixl.logging`` as Triplane has it."""

import logging


def get_logger(name: str) -> logging.Logger:
    """The logger of a module, below ``nixl``."""
    return logging.getLogger(f"nixl.{name.lstrip('_')}")


__all__ = ["get_logger"]
