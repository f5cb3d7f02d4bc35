"""Requests of a serving run: from a trace of Mooncake's format, or drawn."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collectives.workloads.inference.sourced import InferenceError
from topology.files.reading import shown

BLOCK = 512
"""Tokens of a block that a trace names by a hash (kvcache-ai/Mooncake, FAST25-release)."""

MOST = 1 << 22
"""Requests, and tokens of one, at most."""


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A prompt of ``prompt`` tokens that arrives at ``arrival`` (seconds) and gets ``output`` more.

    ``blocks``: what names each block of `BLOCK` tokens of the prompt; () if nothing is known.
    """

    arrival: float
    prompt: int
    output: int
    blocks: tuple[int, ...] = ()


def of_trace(path: Path, most: int | None = None) -> list[ServedRequest]:
    """The requests of a trace in Mooncake's format, by arrival; at most the first ``most``.

    A line is a JSON object with ``timestamp`` (ms), ``input_length``, ``output_length`` and, if
    known, ``hash_ids``. Raises `InferenceError` naming the line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as fault:
        raise InferenceError(f"{path}: {fault.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise InferenceError(f"{path}: not UTF-8") from None
    found = [_of_line(text, f"{path}, line {n}") for n, text in _filled(lines)][: most or MOST]
    if not found:
        raise InferenceError(f"{path}: no requests")
    return sorted(found, key=lambda one: one.arrival)


def _filled(lines: list[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _of_line(text: str, where: str) -> ServedRequest:
    try:
        found = json.loads(text)
    except ValueError:
        raise InferenceError(f"{where}: not JSON") from None
    if not isinstance(found, dict):
        raise InferenceError(f"{where}: no object")
    blocks = found.get("hash_ids", ())
    if not isinstance(blocks, list | tuple) or not all(type(one) is int for one in blocks):
        raise InferenceError(f"{where}: hash_ids is {shown(blocks)}; it has to be integers")
    arrival = found.get("timestamp")
    if isinstance(arrival, bool) or not isinstance(arrival, int | float) or not 0 <= arrival < 1e12:
        raise InferenceError(f"{where}: timestamp is {shown(arrival)}; it has to be ms from 0 on")
    return ServedRequest(
        arrival / 1e3, _count(found, "input_length", 1, where),
        _count(found, "output_length", 1, where), tuple(blocks),
    )  # fmt: skip


def _count(table: dict[str, Any], key: str, least: int, where: str) -> int:
    value = table.get(key)
    if type(value) is not int or not least <= value <= MOST:
        raise InferenceError(
            f"{where}: {key} is {shown(value)}; it has to be an integer from {least} to {MOST}"
        )
    return value


def poisson(
    rate: float, number: int, prompt: int, output: int, seed: int = 0, spread: float = 0.0
) -> list[ServedRequest]:
    """``number`` requests that arrive independently, ``rate`` a second on average.

    ``prompt``, ``output``: mean tokens; ``spread``: the coefficient of variation of both, which are
    then lognormal. The same seed gives the same requests. Raises `InferenceError`.
    """
    if not 0 < rate < math.inf or not 1 <= number <= MOST or not 0 <= spread < math.inf:
        raise InferenceError(f"{number} requests at {rate:g} a second, spread by {spread:g}")
    chance = np.random.default_rng(seed)
    arrivals = np.cumsum(chance.exponential(1 / rate, number)).tolist()
    prompts, outputs = (_drawn(chance, mean, spread, number) for mean in (prompt, output))
    return [ServedRequest(*one) for one in zip(arrivals, prompts, outputs, strict=True)]


def _drawn(chance: np.random.Generator, mean: int, spread: float, number: int) -> list[int]:
    if not spread:
        return [mean] * number
    sigma = math.sqrt(math.log1p(spread**2))
    drawn = chance.lognormal(math.log(mean) - sigma**2 / 2, sigma, number)
    found: list[int] = np.clip(np.rint(drawn), 1, MOST).astype(int).tolist()
    return found
