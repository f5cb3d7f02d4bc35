"""The answer of a simulation: the value, its file, its views and its traces."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fabric.timeline.value import Bottleneck, Timeline

__all__ = ["Bottleneck", "Timeline"]


def __getattr__(name: str) -> object:
    """Load the value when it is asked for: not every user of its neighbours needs it."""
    if name in __all__:
        from fabric.timeline import value

        return getattr(value, name)
    raise AttributeError(f"module 'fabric.timeline' has no attribute {name!r}")
