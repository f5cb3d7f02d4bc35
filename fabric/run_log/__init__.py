"""The log of a run: what every rank did, to be timed again on another machine."""
