"""nccl-tests' environment variables: which are read, and what their numbers may be."""

import math
import re
from collections.abc import Mapping

from bench.machine import BenchError
from topology.names import near

PREFIX = "NCCL_TESTS_"

SPREAD = "NCCL_TESTS_ALLTOALLV_SPREAD"
SCALE = "NCCL_TESTS_ALLTOALLV_MATRIX_SCALE"
MATRIX = "NCCL_TESTS_ALLTOALLV_MATRIX_FILE"
SUMMARY = "NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY"
LEAST = "NCCL_TESTS_MIN_BW"

HEEDED = (SPREAD, SCALE, MATRIX, SUMMARY, LEAST)
"""The variables that mean here what they mean there."""

_REFUSED = {
    "NCCL_TESTS_SPLIT": "splits the ranks into groups",
    "NCCL_TESTS_SPLIT_MASK": "splits the ranks into groups",
    "NCCL_TESTS_DEVICE": "says which device is the first",
}
"""Those that decide something that nothing here does."""


def check(environment: Mapping[str, str]) -> None:
    """Raise `BenchError` for an nccl-tests variable that has no effect here, or is no number.

    It is called for every operation, so that a mistake is reported before the work.
    """
    for name in environment:
        if name in _REFUSED:
            raise BenchError(
                f"{name} is set and {_REFUSED[name]}, which is not done here: unset it"
            )
        if name.startswith(PREFIX) and name not in HEEDED:
            raise BenchError(
                f"{name} is not known; there are {', '.join(HEEDED)}{near(name, HEEDED)}"
            )
    for name in (SPREAD, SCALE):
        number(environment, name)
    if LEAST in environment:
        least(environment[LEAST])


def number(environment: Mapping[str, str], name: str) -> float:
    """The finite number in a variable, 1 if it is not set.

    Raises `BenchError` for anything else.
    """
    text = environment.get(name, "1")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BenchError(f"{name} is {text!r:.60}, not a finite number")
    return value


def least(text: str) -> float:
    """The GB/s in NCCL_TESTS_MIN_BW, as C's atof reads it: the number that ``text`` begins with.

    0 if there is no number. Raises `BenchError` if it is not finite, as every run would pass.
    """
    match = re.match(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", text, re.IGNORECASE)
    odd = re.match(r"\s*[-+]?(nan|inf)", text, re.IGNORECASE)
    value = math.nan if odd else float(match[0]) if match else 0.0
    if not math.isfinite(value):
        raise BenchError(f"{LEAST} is {text!r:.60}, not a finite number of GB/s")
    return value
