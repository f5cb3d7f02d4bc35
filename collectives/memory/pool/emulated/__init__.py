"""A pool in emulated time: what requests take from it, and how long that takes."""
