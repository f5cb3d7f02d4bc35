"""What the ranks of a recorded call move on another machine: what they would have moved there.

A call follows from its facts where the machine has a say in it, such as which algorithm is fastest,
and from its recorded rows where it has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from collectives.algorithms.choose import advice
from collectives.calls.all_to_all_v import plan_of_all
from collectives.calls.part_of import whole_rows, whole_size
from collectives.calls.prepared import planned
from collectives.moe.tokens.part_of import low_latency_rows, normal_rows
from fabric.clock.emulator import Emulator
from fabric.endpoint.costs import MESSAGE
from fabric.failure import WorldError
from fabric.run_log.value import CallKind, RunLog
from fabric.schedule.counts import RankCounts
from fabric.schedule.plan import TimedRows
from topology.errors import TriplaneError

Moved = tuple[TimedRows, str]
"""What a rank moves in a call, and the operation by whose constants it is timed."""


class ReplayError(TriplaneError):
    """A recorded run cannot be timed as asked."""


@dataclass(slots=True)
class Remade:
    """What the parts of a log move on the machine of ``emulator``; the same question is kept.

    ``copies``: of how many ranks of the machine each rank of the log is one.
    """

    log: RunLog
    emulator: Emulator
    copies: int
    _kept: dict[tuple[int, int, int], Moved] = field(default_factory=dict)

    def moved(self, part: int) -> Moved:
        """What part ``part`` moves; raises `ReplayError` if that does not follow from the log."""
        parts = self.log.parts
        kind = self.log.call(int(parts.call[part]))
        rank, facts, rows = (int(each[part]) for each in (parts.rank, parts.facts, parts.rows))
        if facts < 0:
            return self._as_recorded(kind, self.log.rows[rows])
        key = facts, rank, int(self.log.kind[parts.call[part]])
        if key not in self._kept:
            try:
                self._kept[key] = self._followed(kind, rank, facts, rows)
            except (KeyError, TypeError, ValueError, IndexError, WorldError) as error:
                raise ReplayError(f"rank {rank}, {kind.words}: {error}") from None
        return self._kept[key]

    def _as_recorded(self, kind: CallKind, rows: TimedRows) -> Moved:
        if self._of_all(kind) > 1 and kind.operation != MESSAGE and len(rows):
            raise ReplayError(
                f"{kind.words} cannot be timed as a call of {self.emulator.size} ranks, of which"
                f" the {self.log.ranks} are a part"
            )
        return rows, kind.operation

    def _followed(self, kind: CallKind, rank: int, facts: int, rows: int) -> Moved:
        known, position = self.log.facts[facts], kind.group.index(rank)
        if "collective" in known:
            return self._collective(kind, position, known)
        if "all_to_all_v" in known:
            return self._of_counts(kind, position, known)
        if self.copies == 1 and self.log.as_part_of in (None, self.log.ranks):
            return self.log.rows[rows], kind.operation
        return self._tokens(position, known), kind.operation

    def _of_all(self, kind: CallKind) -> int:
        """How many ranks of the machine each rank stands for in a call of this kind."""
        return self.copies if len(kind.group) == self.log.ranks else 1

    def _collective(self, kind: CallKind, position: int, known: Mapping[str, Any]) -> Moved:
        op, root, itemsize, asked = (
            known[name] for name in ("collective", "root", "itemsize", "algorithm")
        )
        copies, ranks, fabric = self._of_all(kind), len(kind.group), self.emulator.fabric
        size = whole_size(op, known["size"], itemsize, copies)
        told = advice(fabric, op, self.emulator.members(kind.group), size, itemsize, root, asked)
        last = told.algorithm, root, itemsize, told.ranks_per_node
        if copies > 1:
            return whole_rows(op, ranks, size, *last, copies, position), told.operation
        return planned(op, ranks, size, *last)[position].rows, told.operation

    def _of_counts(self, kind: CallKind, position: int, known: Mapping[str, Any]) -> Moved:
        if self._of_all(kind) > 1:
            raise ReplayError("it has a size for each pair of ranks, and more ranks are asked for")
        op, name, fabric = "all_to_all_v", known["all_to_all_v"], self.emulator.fabric
        node = advice(fabric, op, kind.group, 0, 1, 0, name).ranks_per_node
        counts = np.array(known["counts"], np.int64)
        return plan_of_all(name, position, counts, node).rows, op

    def _tokens(self, position: int, known: Mapping[str, Any]) -> TimedRows:
        counts = RankCounts(position, *(np.array(known[each]) for each in ("sent", "received")))
        more: dict[str, Any] = {
            "back": known["back"],
            "copies": self.copies,
            "number": known["number"],
        }
        if known["tokens"] == "normal":
            choices = np.array(known["chosen"]), np.array(known["hosted"])
            return normal_rows(counts, choices, known["size"], **more)
        return low_latency_rows(counts, np.array(known["local"]), known["size"], **more)
