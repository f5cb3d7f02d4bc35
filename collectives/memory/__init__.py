"""Memory that ranks register and others reach: one-sided windows, and a pool of blocks."""

from collectives.memory.errors import WindowError
from collectives.memory.pool.pool import Pool
from collectives.memory.window import GlobalAddress, Window
from collectives.memory.work import MemoryWork, WordWork

__all__ = ["GlobalAddress", "MemoryWork", "Pool", "Window", "WindowError", "WordWork"]
