"""Mooncake's ``mooncake.engine`` as Triplane has it."""

from collectives.adapters.mooncake.engine import TransferEngine, TransferNotify, TransferOpcode

__all__ = ["TransferEngine", "TransferNotify", "TransferOpcode"]
