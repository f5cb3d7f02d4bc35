"""Whether the guarantees of traffic classes can be given, whatever ranks send to whom.

A class is promised so much of each rank's sending, and of its receiving. What ranks send to whom
under that is not known, so a link has to carry the most that any such traffic brings to it: the
*hose* model (Duffield et al., A flexible model for resource management in virtual private networks,
SIGCOMM 1999). Where all classes together fit on every link and into every rank's limit as an
initiator, each has what it is promised at all times, and no link inside ever decides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import ClassError, TrafficClass
from fabric.endpoint.costs import Costs
from fabric.engines.base import Machine
from topology.units import GB

_Floats = NDArray[np.float64]

MOST_RANKS = 2048
"""Ranks at most between which guarantees are checked: all pairs of them are looked at."""

_SLACK = 1e-9  # what rounding may bring above a capacity


@dataclass(frozen=True, eq=False)
class Promises:
    """What classes with a guarantee are promised, as shares of what there is.

    ``share``: float64 [guaranteed classes, resources], of each resource of the router;
    ``initiator``: float64 [guaranteed classes], of a rank's limit as an initiator.
    """

    share: _Floats
    initiator: _Floats


def promises(machine: Machine, ranks: int | None, wire: float = 1.0) -> Promises:
    """What the classes of a machine are promised where ``ranks`` ranks send; None: all places.

    ``wire``: bytes that links carry for each byte that a rank sends. Raises `ClassError` if it
    cannot be given, with the link or limit that lacks most.
    """
    given, n = machine.traffic_classes.guaranteed, len(machine.router.capacity)
    ranks = len(machine.places) if ranks is None else ranks
    if ranks > MOST_RANKS:
        raise ClassError(
            f"guarantee of traffic class {given[0].name!r}: there are {ranks:,} ranks, and"
            f" guarantees are checked between {MOST_RANKS:,} at most"
        )
    hose, plane = machine.paths.hose(ranks), machine.router.plane
    share, initiator = np.zeros((len(given), n)), np.zeros(len(given))
    for k, one in enumerate(given):
        its = _costs(machine, one)
        usable = np.min([machine.paths.share(costs) for costs in its], axis=0)
        initiator[k] = one.guarantee / min(costs.initiator_bandwidth for costs in its)
        share[k] = one.guarantee * wire * hose / (machine.router.capacity * usable[plane])
    found = Promises(share, initiator)
    _check(machine, found)
    return found


def _costs(machine: Machine, one: TrafficClass) -> list[Costs]:
    """The costs of software that transfers of a class may have: of its operations, or of any."""
    software, stems = machine.software, one.operations
    every = {key: key.partition(":")[0] for key in software.by_operation}
    known = [software.by_operation[key] for key in every if not stems or every[key] in stems]
    return [*known, *(software.costs(name) for name in stems), Costs()]


def _check(machine: Machine, found: Promises) -> None:
    """Raise `ClassError` if more is promised than there is."""
    of_links, of_initiator = found.share.sum(axis=0), float(found.initiator.sum())
    worst = int(of_links.argmax()) if len(of_links) else 0
    most = float(of_links[worst]) if len(of_links) else 0.0
    if max(most, of_initiator) <= 1 + _SLACK:
        return
    if most >= of_initiator:
        name, share = f"link {machine.router.name(worst)}", found.share[:, worst]
        carries = float(machine.router.capacity[worst])
    else:
        name, share, most = "a rank's limit as initiator", found.initiator, of_initiator
        carries = machine.traffic_classes.guaranteed[int(share.argmax())].guarantee / share.max()
    raise ClassError(_refusal(machine.traffic_classes.guaranteed, name, share, carries))


def _refusal(
    given: tuple[TrafficClass, ...], name: str, share: _Floats, carries: float
) -> str:  # fmt: skip
    both = [(one, float(part)) for one, part in zip(given, share, strict=True) if part]
    parts = [f"{_shown(part * carries)} of {one.name}" for one, part in both]
    total = sum(part for _, part in both)
    fits = [f"{one.name} {_shown(_below(one.guarantee / total))}" for one, _ in both]
    return (
        f"guarantees that cannot be given: {name} carries {_shown(carries)} and would have to carry"
        f" {_shown(total * carries)} ({', '.join(parts)}); what would fit: {', '.join(fits)}"
    )


def _shown(rate: float) -> str:
    return f"{rate / GB:.6g} GB/s"


def _below(rate: float) -> float:
    """The highest rate of four digits that is no more than this one."""
    digit = 10.0 ** (np.floor(np.log10(rate)) - 3)
    return float(np.floor(rate / digit * (1 + _SLACK)) * digit)
