"""Schedules in the XML that MSCCL's runtimes read: in, as an algorithm like any other, and out."""
