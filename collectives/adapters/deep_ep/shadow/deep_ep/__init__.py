"""What ``import deep_ep`` finds if this folder is on Python's path: Triplane's adapter."""

import os

from collectives.adapters.deep_ep.standin import UPSTREAM, stand_in

stand_in(os.environ.get(UPSTREAM) or None)
