"""V2's scale-up domain, whose ranks share the UB plane, and scale-out between domains."""

import os
from typing import Any

from collectives.adapters.groups import size_of
from collectives.moe.tensors import TokenError

SCALEUP = "TRIPLANE_DEEP_EP_SCALEUP"
"""The environment variable that says how many ranks a scale-up domain has."""


def get_physical_domain_size(group: Any) -> tuple[int, int]:
    """The number of scale-up domains, and the ranks in each.

    One domain unless the environment variable ``TRIPLANE_DEEP_EP_SCALEUP`` says how many ranks
    share one: all dies of a CloudMatrix384 are on its UB plane. Raises `TokenError`.
    """
    return domains(size_of(group))


def get_logical_domain_size(group: Any, allow_hybrid_mode: bool = True) -> tuple[int, int]:
    """The number of domains for dispatch and combine, and the ranks in each.

    As `get_physical_domain_size`, but one domain without the hybrid mode. Raises `TokenError`.
    """
    size = size_of(group)
    return domains(size) if allow_hybrid_mode else (1, size)


def domains(size: int) -> tuple[int, int]:
    """The number of domains that ``size`` ranks make, and the ranks in each.

    Raises `TokenError`.
    """
    text = os.environ.get(SCALEUP) or str(size)
    if not text.isdecimal() or not int(text) or (int(text) < size and size % int(text)):
        fits = [n for n in range(1, size + 1) if size % n == 0]
        raise TokenError(
            f"{SCALEUP} is {text!r}; {size} ranks make domains of {', '.join(map(str, fits))}"
        )
    inside = min(int(text), size)
    return size // inside, inside
