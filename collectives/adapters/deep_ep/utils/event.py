"""As deep_ep.utils.event."""

from collectives.adapters.deep_ep.event import EventHandle, EventOverlap

__all__ = ["EventHandle", "EventOverlap"]
