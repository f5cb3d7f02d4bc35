"""What programs import from deep_ep.utils."""

from collectives.adapters.deep_ep.event import EventHandle, EventOverlap

__all__ = ["EventHandle", "EventOverlap"]
