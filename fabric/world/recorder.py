"""`RunRecorder`: writes down what ranks send to the authority, as a `RunLog`. It does no I/O."""

import json
from base64 import b64decode
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fabric.failure import WorldError
from fabric.run_log.value import (
    BEGIN,
    COMPUTE,
    SPAN,
    SPAN_END,
    WAIT,
    CallKind,
    EntryColumns,
    Floats,
    PartColumns,
    RunLog,
    TokenRouting,
)
from fabric.schedule.plan import TimedRows
from fabric.world.messages import Begin, Compute, Describe, FromRank, Mark, Wait

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator
    from fabric.settings import Settings

NONE = -1
"""The number of facts, or of a routing, that there are not."""


class RunRecorder:
    """Writes down what ``ranks`` ranks do; ask it for its `log` when they have ended."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._calls: dict[int, int] = {}
        self._kind: list[int] = []
        self._kinds: dict[CallKind, int] = {}
        self._rows: dict[str, int] = {}
        self._row_sets: list[TimedRows] = []
        self._facts: dict[str, int] = {}
        self._spans: dict[str, int] = {}
        self._open: defaultdict[int, dict[int, str]] = defaultdict(dict)
        self._told: dict[tuple[int, int], tuple[int, int]] = {}
        self._routings: list[TokenRouting] = []
        self._parts: list[tuple[int, int, int, int, int]] = []
        self._entries: list[tuple[int, int, int, float]] = []

    def take(self, rank: int, message: FromRank) -> None:
        """Write down what ``message`` of ``rank`` says of its calls and its clock, if anything.

        Raises `WorldError` for a routing that is none.
        """
        match message:
            case Begin():
                self._begin(rank, message)
                if message.waits:
                    self._wait(rank, message.op)
            case Describe(op, facts):
                self._told[rank, op] = self._described(rank, facts)
            case Wait(op) if op in self._calls:
                self._wait(rank, op)
            case Compute(seconds):
                self._entries.append((rank, COMPUTE, 0, seconds))
            case Mark(span, name):
                self._mark(rank, span, name)

    def log(self, emulator: "Emulator | None", settings: "Settings") -> RunLog:
        """All that was written down, with the times that ``emulator`` has recorded."""
        machine = None if settings.machine is None else settings.machine.to_json()
        if emulator is not None:
            machine = emulator.fabric.described
        times = _times(emulator)
        numbers = {call: op for op, call in self._calls.items()}
        known = [times.get((rank, numbers[call]), (np.nan, np.nan))
                 for call, rank, *_ in self._parts]  # fmt: skip
        call, owner, rows, facts, routing = np.array(self._parts, np.int64).reshape(-1, 5).T.copy()
        entries = np.array(self._entries, np.float64).reshape(-1, 4).T.copy()
        begin, end = np.array(known, np.float64).reshape(-1, 2).T.copy()
        rank, what, number = entries[:3].astype(np.int64)
        return RunLog(
            self._ranks, machine, settings.as_part_of, settings.sync,
            _clocks(emulator, self._ranks), tuple(self._kinds),
            np.array(self._kind, np.int64),
            PartColumns(call, owner, rows, facts, routing, begin, end),
            EntryColumns(rank, what, number, entries[3]), tuple(self._row_sets),
            tuple(map(json.loads, self._facts)), tuple(self._routings), tuple(self._spans),
        )  # fmt: skip

    def _begin(self, rank: int, begin: Begin) -> None:
        kind = CallKind(begin.group, begin.words, begin.operation)
        call = self._calls.get(begin.op)
        if call is None:
            call = self._calls[begin.op] = len(self._kind)
            self._kind.append(_number(self._kinds, kind))
        rows = self._rows.get(begin.rows.digest)
        if rows is None:
            rows = self._rows[begin.rows.digest] = len(self._row_sets)
            self._row_sets.append(begin.rows)
        told = self._told.pop((rank, begin.op), (NONE, NONE))
        self._entries.append((rank, BEGIN, len(self._parts), 0.0))
        self._parts.append((call, rank, rows, *told))

    def _wait(self, rank: int, op: int) -> None:
        self._entries.append((rank, WAIT, self._calls[op], 0.0))

    def _described(self, rank: int, facts: Mapping[str, Any]) -> tuple[int, int]:
        kept = {key: value for key, value in facts.items() if key != "routing"}
        routing = NONE
        if "routing" in facts:
            routing = len(self._routings)
            layer = next(reversed(self._open[rank].values()), "")
            try:
                self._routings.append(_routing(facts["routing"], layer))
            except (TypeError, ValueError, KeyError) as error:
                raise WorldError(f"rank {rank} describes a routing that is none: {error}") from None
        if not kept:
            return NONE, routing
        return _number(self._facts, json.dumps(kept, sort_keys=True)), routing

    def _mark(self, rank: int, span: int, name: str | None) -> None:
        if name is None:
            self._open[rank].pop(span, None)
            self._entries.append((rank, SPAN_END, span, 0.0))
        else:
            self._open[rank][span] = name
            self._entries.append((rank, SPAN, span, float(_number(self._spans, name))))


def _number(known: dict[Any, int], key: Any) -> int:
    """The number of ``key`` among those ``known``, a new one if it is not."""
    return known.setdefault(key, len(known))


def _routing(given: Mapping[str, Any], layer: str) -> TokenRouting:
    shape = int(given["tokens"]), int(given["top_k"])
    chosen = np.frombuffer(b64decode(given["topk_idx"]), "<i4").astype(np.int64).reshape(shape)
    weights = None
    if given["weights"] is not None:
        weights = np.frombuffer(b64decode(given["weights"]), "<f4").astype(np.float32)
        weights = weights.reshape(shape)
    return TokenRouting(chosen, weights, layer, int(given["experts"]))


def _clocks(emulator: "Emulator | None", ranks: int) -> Floats:
    if emulator is None:
        return np.full(ranks, np.nan)
    return np.array([emulator.clock(rank) for rank in range(ranks)])


def _times(emulator: "Emulator | None") -> dict[tuple[int, int], tuple[float, float]]:
    """Begin and end of the parts of running ranks, by rank and number of the call."""
    if emulator is None:
        return {}
    return {
        (one.rank, emulator.posted_as(one.op)): (one.begin, one.end)
        for one in emulator.recorded()
        if one.end is not None and one.rank < emulator.running
    }
