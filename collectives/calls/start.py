"""How a rank gets the `Communicator` of all ranks: as one of the first, or as a spare."""

from collectives.calls.communicator import Communicator
from collectives.calls.group import Group
from fabric.failure import WorldError
from fabric.launching.current import member
from fabric.launching.member import Member
from topology.arguments import limit


def init(timeout: float | None = None) -> Communicator:
    """The communicator of all ranks of the world.

    The caller is one of them, however it was launched.

    All ranks call it equally often. ``timeout``: wall seconds after which any call of it raises
    `TimedOut`, unless the call says otherwise; None: no limit. Raises `WorldError` if the other
    ranks cannot be reached, `ArgumentError` for what is no number of seconds.
    """
    return everybody(member(), limit(timeout))


def everybody(me: Member, timeout: float | None = None) -> Communicator:
    """The communicator of all ranks of the world in which the caller is ``me``; as `init`."""
    driver, spares = me.driver, me.settings.spares
    if me.rank >= me.size - spares:
        return _taken_in(me, timeout)
    lineage = ("world", driver.lineages["world"])
    driver.lineages["world"] += 1
    generation = driver.generation if driver.survives else None
    group = Group(lineage, tuple(range(me.size - spares)), me.rank, generation)
    return Communicator(me, group, timeout, everybody=True)


def _taken_in(me: Member, timeout: float | None) -> Communicator:
    """The communicator by which a spare joins the others; it waits until they `grow`.

    Raises `SystemExit` with code 0 when all others have ended without it.
    """
    if me.driver.generation:
        raise WorldError(f"rank {me.rank}, a spare, has called init() twice", me.rank)
    taken = me.driver.idle()
    if not taken.members:
        raise SystemExit(0)
    place = taken.members.index(me.rank)
    group = Group(("grown", taken.generation), taken.members, place, taken.generation)
    found = Communicator(me, group, timeout, everybody=True).confirmed()
    found.joined = True
    return found
