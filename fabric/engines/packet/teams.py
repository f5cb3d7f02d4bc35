"""Teams of transfers that meet in a switch, from what the rows of a schedule say of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fabric.engines import in_switch
from fabric.engines.base import EngineError, Machine
from fabric.engines.columns import Streams
from fabric.engines.packet.network import Network
from fabric.engines.packet.spraying import GOLDEN
from fabric.engines.packet.state import NONE, Bools, Bytes, Ints, Longs, State
from fabric.schedule.in_switch import COMBINED, COPIED, REDUCED, RETURNED
from topology.graph import Topology

NO_CHANGES = (
    "the engine packet does not model what switches combine or copy on a machine that changes in"
    " time, such as one with faults; the engine flow does"
)
"""What is refused, in words."""


class TeamRows(NamedTuple):
    """Columns of transfers: what switches do with them, ``kind`` 0: nothing.

    ``ranks``: how many take part; ``root``: the rank that data is copied from, or combined for;
    ``plane``: that they go over; ``back``, ``back_set``: where the path the other way begins, see
    `Network.path` and ``set``.
    """

    kind: Bytes
    ranks: Ints
    root: Ints
    plane: Ints
    back: Ints
    back_set: Ints

    def pick(self, which: Longs | Bools) -> "TeamRows":
        """The rows of these numbers."""
        columns: list[Any] = [column[which] for column in self]
        return TeamRows(*columns)


def team_rows(
    machine: Machine, network: Network, streams: Streams, path: Ints,
    paths: Callable[[Ints, Ints], Ints],
) -> TeamRows:  # fmt: skip
    """What switches do with ``streams`` on these paths.

    ``paths``: finds those between ranks, of which the network has all that streams need. Raises
    `EngineError` where ranks do not meet in one switch.
    """
    kind = streams.trait(in_switch.KIND).astype(np.int8)
    kind[(kind == RETURNED) | (streams.size == 0) | (streams.src == streams.dst)] = 0
    other, both = path.copy(), kind == REDUCED
    other[both] = paths(streams.dst[both], streams.src[both])
    _check_ways(machine, network, streams, np.flatnonzero(kind), path)
    return TeamRows(
        kind, streams.trait(in_switch.RANKS).astype(np.int32),
        np.where(kind == COPIED, streams.src, streams.dst).astype(np.int32),
        machine.router.table.plane[path].astype(np.int32),
        network.path[other], network.set[other],
    )  # fmt: skip


def _check_ways(
    machine: Machine, network: Network, streams: Streams, meets: Longs, path: Ints
) -> None:
    """Raise `EngineError` for transfers of teams whose paths do not go over one switch."""
    entry, entries = network.path[path[meets]], network.entries
    then = entries.then[entry]
    one = (entry != NONE) & (entries.more[entry] == 1) & (then != NONE)
    one &= (entries.more[then] == 1) & (entries.then[then] == NONE)
    if not one.all():
        i = meets[int(one.argmin())]
        raise EngineError(
            f"ranks {streams.src[i]} and {streams.dst[i]} of {machine.topology.name} do not meet in"
            " one switch: what switches combine or copy the engine packet models in one of them,"
            " the engine flow also in trees"
        )


class Team(NamedTuple):
    """A team of a ``step``: the ``slots`` of its transfers, their ``rows``, ``bytes`` of each."""

    slots: Longs
    rows: TeamRows
    step: int
    bytes: int

    @property
    def joins(self) -> bool:
        """Whether its packets are combined."""
        return self.rows.kind[0] in (COMBINED, REDUCED)

    @property
    def copies(self) -> bool:
        """Whether what comes of it is copied."""
        return self.rows.kind[0] in (COPIED, REDUCED)

    @property
    def has_root(self) -> bool:
        """Whether the rank that stands in for the switch has a part of its own to send."""
        return self.joins and self.copies


def teams_of(slots: Ints, rows: TeamRows, step: Longs, size: Longs) -> list[Team]:
    """The teams of transfers, all of which have to be there, of one call.

    Raises `EngineError` where there are more or less than one of each rank.
    """
    mine = np.flatnonzero(rows.kind)
    if not len(mine):
        return []
    columns = np.stack([step, rows.root, rows.kind, rows.ranks, rows.plane, size])[:, mine]
    order = np.lexsort(columns[::-1])
    changes = np.flatnonzero((np.diff(columns[:, order], axis=1) != 0).any(0)) + 1
    found = []
    for some in np.split(mine[order], changes):
        first, ranks = some[0], int(rows.ranks[some[0]])
        if len(some) != max(ranks, 2) - 1:
            raise EngineError(
                f"step {step[first]}: {len(some)} rows of {size[first]} bytes at rank"
                f" {rows.root[first]} meet in a switch; of {ranks} ranks they have to be"
                f" {ranks - 1}"
            )
        found.append(
            Team(slots[some].astype(np.int64), rows.pick(some), int(step[first]), int(size[first]))
        )
    return found


def check_switches(state: State, graph: Topology, team: Team) -> None:
    """Raise `EngineError` if packets of one number would not come to one switch.

    Each endpoint deals its packets to its links in turn.
    """
    entry = state.transfers["entry"][team.slots]
    if team.has_root:
        entry = np.append(entry, team.rows.back[0])
    bundles = state.bundles[state.entries["resource"][entry]]
    ways = {
        graph.link_dst[state.bundle_links[first : first + fan]].tobytes()
        for first, fan in np.unique(bundles[["first", "fan"]]).tolist()
    }
    if len(ways) > 1:
        raise EngineError(
            f"{graph.name}: the links of ranks that meet at rank {team.rows.root[0]} lead to other"
            " switches, or in another order: the engine packet does not model what these combine"
            " or copy, the engine flow does"
        )


def write_team(
    state: State, number: int, team: Team, root: int, parts: int, places: int, kinds: int
) -> None:
    """Put a team into the state under a ``number``.

    ``root``: the slot of the transfer for the root's own part, or `NONE`; ``parts``: where its own
    begin; ``places``, ``kinds``: how many ranks and classes the machine has.
    """
    t, members, slots = state.transfers, state.members, team.slots
    record = state.teams[number : number + 1]
    record["size"], record["first"], record["root"] = team.bytes, slots[0], root
    record["waits"] = record["left"] = len(slots)
    fan = state.bundles["fan"][state.entries["resource"][t["entry"][slots[0]]]]
    # Those of several ranks, and of one after another, are spread over links, and so over switches.
    record["turn"] = int(team.rows.root[0] * GOLDEN % 1 * fan) + team.step
    record["joins"], record["copies"], record["parts"] = team.joins, team.copies, parts
    record["inputs"] = (len(slots) if team.joins else 1) + (root != NONE)
    members["team"][slots], members["back"][slots] = number, team.rows.back
    members["following"][slots] = np.append(slots[1:], NONE)
    if root == NONE:
        return
    rank = int(team.rows.root[0])
    t[root] = t[slots[0]]
    t["entry"][root], t["set"][root] = team.rows.back[0], team.rows.back_set[0]
    t["rank"][root], t["missing"][root], t["home"][root] = rank, NONE, NONE
    t["order"][root] = rank * kinds + kinds - 1 - int(t["kind"][root])
    state.to_come[root] = team.bytes
    members["team"][root], members["back"][root] = number, t["entry"][slots[0]]
    if state.watching:
        state.sent["made"][root], state.sent["latest"][root] = 0, NONE


def parts_of(teams: Sequence[Team], mtu: int) -> Longs:
    """How many packets of each team are combined: int64."""
    return np.array([-(-one.bytes // mtu) if one.joins else 0 for one in teams], np.int64)
