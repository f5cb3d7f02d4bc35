"""`RunLog`: the calls of a run, in the order in which its ranks made them, as columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.plan import TimedRows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BEGIN, WAIT, COMPUTE, SPAN, SPAN_END = range(5)
"""What an entry says of its rank: it begins its part of a call, waits for one, computes, or begins
or ends a span."""

KEYS = ("collective", "all_to_all_v", "tokens")
"""What facts begin with: the kind of what they are about."""


class CallKind(NamedTuple):
    """What calls have in common: ``group``, the world's ranks in their order; ``words`` and
    ``operation`` as in `fabric.world.messages.Begin`.
    """  # noqa: D205

    group: tuple[int, ...]
    words: str
    operation: str


class PartColumns(NamedTuple):
    """The ranks' parts of calls, one a row: int64, and float64 for times in emulated seconds.

    ``call``: its number; ``rank``: of the world; ``rows``: the number of what it moves; ``facts``,
    ``routing``: the number of what is known of it, -1 for nothing; ``begin``, ``end``: nan where
    the run did not say.
    """

    call: Ints
    rank: Ints
    rows: Ints
    facts: Ints
    routing: Ints
    begin: Floats
    end: Floats


class EntryColumns(NamedTuple):
    """What ranks did, one thing a row, those of a rank in its order.

    ``rank``; ``what``: one of `BEGIN` and so on; ``number``: of the part for `BEGIN`, of the call
    for `WAIT`, of the span for `SPAN` and `SPAN_END`; ``value``: emulated seconds for `COMPUTE`,
    the number of the name for `SPAN`.
    """

    rank: Ints
    what: Ints
    number: Ints
    value: Floats


class TokenRouting(NamedTuple):
    """Where the tokens of a rank's dispatch go: the experts of each, and their weights.

    ``topk_idx``: int64 ``[tokens, top_k]``, -1 where none is chosen; ``weights``: float32 of that
    shape, None where the dispatch was not told; ``layer``: the name of the span around the call, ""
    for none; ``experts``: how many there are.
    """

    topk_idx: Ints
    weights: NDArray[np.float32] | None
    layer: str
    experts: int


@dataclass(frozen=True, eq=False)
class RunLog:
    """A run of ``ranks`` ranks: what `fabric.world.recorder.RunRecorder` has written down.

    ``machine``: on which it ran, as `MachineSpec.to_json`; None: none was emulated, or it was made
    of parts. ``as_part_of``, ``sync``: its settings. ``clock``: of each rank at its end, float64
    ``[ranks]`` in emulated seconds, nan where no machine was emulated. ``kinds``: of calls;
    ``kind``: of each call, its kind. ``parts``, ``entries``: see these. ``rows``: what parts move.
    ``facts``: what rows follow from where the machine has a say, JSON: the name of a collective
    under ``collective`` with ``size``, ``itemsize``, ``root`` and the ``algorithm`` that was asked
    for; the name of an algorithm under ``all_to_all_v`` with the ``counts`` of all pairs; the
    mode under ``tokens`` with ``back`` (whether it is a combine), ``size`` of a message and the
    tokens ``sent`` and ``received``. ``routings``: of dispatches; ``spans``: names of spans.
    """

    ranks: int
    machine: Mapping[str, Any] | None
    as_part_of: int | None
    sync: str
    clock: Floats
    kinds: tuple[CallKind, ...]
    kind: Ints
    parts: PartColumns
    entries: EntryColumns
    rows: tuple[TimedRows, ...]
    facts: tuple[Mapping[str, Any], ...]
    routings: tuple[TokenRouting, ...]
    spans: tuple[str, ...]

    def call(self, number: int) -> CallKind:
        """What call ``number`` is."""
        return self.kinds[int(self.kind[number])]
