"""c10d's ``shrink_group``: the ranks that are left go on in a smaller process group.

torch makes such a group of a C++ backend, and puts that into a new process group. A group of
Triplane is a process group itself, so it is what torch is given, and what torch puts among its
groups. Where torch does that is replaced by `take_shrunk`.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from torch.distributed import distributed_c10d

from collectives.adapters.torch.base import NamedGroup
from collectives.calls.communicator import Communicator
from fabric.failure import RankLost

_Create = Callable[[Any, list[int], dict[str, Any], bool], Any]


def left(communicator: Communicator, excluded: Sequence[int]) -> Communicator:
    """The communicator of the ranks of this one that are not ``excluded``, in their order.

    Where the world goes on after a loss, the ranks agree on who is left: it waits for all of this
    communicator that are not lost, also for excluded ones, until these have ended. Raises
    `RankLost` if others are lost, too; then it can be asked again, with these excluded. Elsewhere
    only those that are left call it, and nothing is sent.
    """
    places = [place for place in range(communicator.size) if place not in set(excluded)]
    if not communicator.driver.survives:
        found = communicator.group(places)
        if found is None:
            raise ValueError(f"rank {communicator.rank} is among those to be excluded, {excluded}")
        return found
    wanted = tuple(communicator.members[place] for place in places)
    agreed = communicator.shrink()
    if agreed.members != wanted:
        lost = [place for place in places if communicator.members[place] not in agreed.members]
        raise RankLost(
            f"rank {', '.join(map(str, lost))} is lost, too: exclude it from the group as well"
        )
    return agreed


def take_shrunk() -> None:
    """Have torch take a group of Triplane that was shrunk as the new process group. Idempotent."""
    create: _Create = distributed_c10d._create_shrunk_process_group
    if getattr(create, "_takes_triplane", False):
        return

    @wraps(create)
    def taken(backend: Any, ranks: list[int], about: dict[str, Any], is_default: bool) -> Any:
        if not isinstance(backend, NamedGroup):
            return create(backend, ranks, about, is_default)
        backend.setGroupName(about["new_group_name"])
        was = "default:shrunken" if is_default else f"{about['original_group_name']}:shrunk"
        backend.setGroupDesc(was)
        return backend

    taken._takes_triplane = True  # type: ignore[attr-defined]
    distributed_c10d._create_shrunk_process_group = taken  # type: ignore[assignment]
