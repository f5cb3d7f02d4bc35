"""deep_ep as Triplane has it: imported where this folder is on Python's path."""

import os

from collectives.adapters.deep_ep.standin import UPSTREAM, stand_in

stand_in(os.environ.get(UPSTREAM) or None)
