"""Requests of a serving engine as a pool sees them: when, and the blocks of their prompts.

From a file in the format of Mooncake's public traces (kvcache-ai/Mooncake, FAST25-release): a JSON
object a line with ``timestamp`` in milliseconds, ``input_length`` and ``output_length`` in tokens,
and ``hash_ids``, numbers that are equal where a block of 512 tokens and all before it are equal. Or
generated: chats of several turns, of which each sends all that was said before again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.hashing import check_block
from topology.files.reading import json_of, read_text, shown, whole

TRACE_BLOCK = 512
"""Tokens of a block in Mooncake's traces."""

_MOST = 1 << 40


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """``time``: of arrival, seconds; ``prompt`` and ``output``: tokens.

    ``blocks``: the numbers of the prompt's whole blocks; equal numbers are equal prefixes.
    """

    time: float
    prompt: int
    output: int
    blocks: tuple[int, ...]


def read_requests(path: str | Path) -> list[CacheRequest]:
    """The requests in a trace file, in order of time.

    Raises `PoolError` naming file, line and fault for anything else.
    """
    found = []
    for number, line in enumerate(read_text(path, PoolError).split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            found.append(_request(json_of(line, where, PoolError), where))
    if not found:
        raise PoolError(f"{path} has no request in it")
    return sorted(found, key=lambda one: one.time)


def _request(given: Any, where: str) -> CacheRequest:
    if not isinstance(given, dict):
        raise PoolError(f"{where}: {shown(given)} is no object with keys")
    numbers = {}
    for name in ("timestamp", "input_length", "output_length"):
        value = given.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        found = whole(value, 0, _MOST)
        if found is None:
            raise PoolError(f"{where}: {name} is {shown(value)}; it has to be a whole number")
        numbers[name] = found
    ids = given.get("hash_ids")
    if not isinstance(ids, list) or any(whole(one, 0, _MOST) is None for one in ids):
        raise PoolError(f"{where}: hash_ids is {shown(ids)}; it has to be a list of whole numbers")
    prompt = numbers["input_length"]
    blocks = tuple(ids[: prompt // TRACE_BLOCK])
    return CacheRequest(numbers["timestamp"] / 1000, prompt, numbers["output_length"], blocks)


@dataclass(frozen=True)
class ChatLoad:
    """Chats that are generated: who asks what when.

    ``requests``: how many in all; ``rate``: new chats a second, at random times; ``prompts``:
    different system prompts, of which each chat has one: number n with a probability that falls as
    n to the power ``-zipf``; ``shared``, ``question``, ``answer``: tokens of each on average, the
    last two with a geometric distribution; ``turns``: questions of a chat on average; ``pause``:
    seconds between an answer and the next question on average; ``block``: tokens of a block.
    Raises `PoolError` for a value out of range.
    """

    requests: int = 300
    rate: float = 4.0
    prompts: int = 50
    zipf: float = 1.1
    shared: int = 2048
    question: int = 256
    answer: int = 384
    turns: float = 5.0
    pause: float = 20.0
    block: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("requests", "prompts", "shared", "question", "answer"):
            if not 1 <= getattr(self, name) <= 1 << 24:
                raise PoolError(f"{name} is {getattr(self, name)}; it has to be 1 to {1 << 24}")
        for name, least in (("rate", 1e-9), ("zipf", 0.0), ("turns", 1.0), ("pause", 0.0)):
            if not least <= getattr(self, name) < 1e9:
                raise PoolError(f"{name} is {getattr(self, name)}; it has to be from {least:g} on")
        check_block(self.block)

    def generate(self) -> list[CacheRequest]:
        """The requests, in order of time; the same for the same values."""
        chance = np.random.default_rng(self.seed)
        weight = np.arange(1, self.prompts + 1) ** -self.zipf
        weight /= weight.sum()
        requests: list[CacheRequest] = []
        numbers: dict[tuple[int, ...], int] = {}
        begin = 0.0
        while len(requests) < self.requests:
            begin += chance.exponential(1 / self.rate)
            prompt = int(chance.choice(self.prompts, p=weight))
            requests += self._chat(chance, begin, prompt, len(requests), numbers)
        return sorted(requests, key=lambda one: one.time)[: self.requests]

    def _chat(
        self, chance: np.random.Generator, time: float, prompt: int, chat: int,
        numbers: dict[tuple[int, ...], int],
    ) -> list[CacheRequest]:  # fmt: skip
        """The turns of a chat that begins at ``time`` with a system prompt."""
        found, said = [], self.shared
        for _ in range(int(chance.geometric(1 / self.turns))):
            said += int(chance.geometric(1 / self.question))
            output = int(chance.geometric(1 / self.answer))
            found.append(
                CacheRequest(time, said, output, self._blocks(said, prompt, chat, numbers))
            )
            said += output
            time += chance.exponential(self.pause) if self.pause else 0.0
        return found

    def _blocks(
        self, tokens: int, prompt: int, chat: int, numbers: dict[tuple[int, ...], int]
    ) -> tuple[int, ...]:
        """The numbers of so many tokens' whole blocks: those of a system prompt all chats share."""
        names: list[tuple[int, ...]] = [
            (prompt, at) if (at + 1) * self.block <= self.shared else (prompt, at, chat)
            for at in range(tokens // self.block)
        ]
        return tuple(numbers.setdefault(name, len(numbers)) for name in names)
