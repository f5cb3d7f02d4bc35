"""V2's order of adding up: what comes back for a token is added in the order of its choices.

Each rank (and each domain of ranks, where it adds up first) has one result for a token, which
counts at the last slot of those that chose it: DeepEP's deep_ep/utils/refs.py, bit for bit.
"""

from dataclasses import replace

import numpy as np

from collectives.adapters.deep_ep.parcels import Parcels
from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints, sorted_by
from collectives.moe.tokens.arrivals import Arrivals
from collectives.moe.tokens.normal import Routed
from collectives.moe.tokens.rank_transfer import Direct, DispatchPayload, Relayed
from collectives.moe.tokens.selection import Copied, copied, needed
from fabric.ranks.message_moves import Round


class BySlot(Parcels):
    """`Parcels` whose results are added up in the order of slots."""

    def _path(self, path: Direct | Relayed, load: DispatchPayload) -> Direct | Relayed:
        return _by_slot(path, load.given_choices)


class SlotRelayed(Relayed):
    """`Relayed` with results added up in the order of slots at both levels."""

    def _on(self, held: Arrivals, arrivals: Arrivals) -> Round:
        if self.passed is None:
            inside = self.expert_ranks.rank % self.width
            there = np.where(self.expert_ranks.rank // self.width == self._node, inside, self.width)
            place = np.append(there, self.width)[held.records["expert"]]
            table = needed(held.records["expert"], there, self.width + 1)[:, : self.width]
            self.passed = in_slots(copied(table), np.where(place == self.width, -1, place))
        return Relayed._on(self, held, arrivals)


def _by_slot(path: Direct | Relayed, expert: Ints) -> Direct | Relayed:
    if isinstance(path, Relayed):
        domain = places(expert, path.expert_ranks) // path.width  # of -1 it is -1
        sent = in_slots(path.sent, domain)
        return SlotRelayed(path.rank, path.expert_ranks, path.width, sent, path.received, path.held)
    return replace(path, sent=in_slots(path.sent, places(expert, path.expert_ranks)))


def places(expert: Ints, expert_ranks: ExpertRanks) -> Ints:
    """The rank of each choice; -1 for none."""
    return np.append(expert_ranks.rank, -1)[expert]


def in_slots(sent: Copied, place: Ints) -> Copied:
    """The same copies, each with its row only at the last slot that chose its place, else -1.

    ``place``: of each choice, ``[tokens, top_k]``, -1 for none.
    """
    table = np.full((len(place), len(sent.counts) + 1), -1)
    table[sent.token, np.repeat(np.arange(len(sent.counts)), sent.counts)] = np.arange(
        len(sent.token)
    )
    row = np.take_along_axis(table, place, axis=1)  # of -1: the last column, which is -1
    for slot in range(place.shape[1] - 1):
        again = (place[:, slot + 1 :] == place[:, slot : slot + 1]).any(axis=1)
        row[again, slot] = -1
    return Copied(sent.token, sent.counts, row)


def straight(routed: Routed, expert: Ints) -> Routed:
    """``routed`` with one level, each rank sending directly, whatever way the tokens took."""
    path = routed.path
    if isinstance(path, Direct):
        return routed
    ranks = path.expert_ranks.ranks
    sent = copied(needed(expert, path.expert_ranks.rank, ranks))
    direct = Direct(
        path.rank,
        path.expert_ranks,
        in_slots(sent, places(expert, path.expert_ranks)),
        path.received,
    )
    return replace(routed, path=direct, known=None)


def each_choice(routed: Routed, expert: Ints, here: Ints) -> Routed:
    """``routed`` with one level and a result for every choice.

    ``here``: the choices from each rank.
    """
    path = routed.path
    place = places(expert, path.expert_ranks)
    made = place >= 0
    order = sorted_by(place[made], path.expert_ranks.ranks)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    row = np.full(place.shape, -1)
    row[made] = number
    counts = np.bincount(place[made], minlength=path.expert_ranks.ranks)
    sent = Copied(np.nonzero(made)[0][order], counts, row)
    direct = Direct(path.rank, path.expert_ranks, sent, here)
    return replace(routed, path=direct, known=None)
