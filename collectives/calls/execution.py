"""A call with the buffers of its user, ready to be run, and what is left to do when it is over."""

from collections.abc import Sequence
from functools import partial

from collectives.calls.buffers import NOTHING, UserBuffer, in_place
from collectives.calls.reductions import average, lower, lowers
from fabric.ranks.driver import Driver
from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.schedule_moves import scheduled
from fabric.ranks.work_buffers import SMALL
from fabric.transports.base import Bytes


def execution(
    driver: Driver,
    call: PreparedCall,
    members: tuple[int, ...],
    number: int,
    send: UserBuffer,
    recv: UserBuffer,
) -> Execution:
    """The execution of ``call`` number ``number`` of a group, from ``send`` into ``recv``.

    It borrows a work buffer from the driver, and returns it when the call is over.
    """
    room = driver.buffers.lend(call.ready.rooms[2])
    given, lent = _shares(driver, call, send, recv)
    finish = None
    if room.size > SMALL or lent.size or call.average or recv.home is not None:
        finish = partial(_finish, driver, (room, lent), call.average, recv)
    buffers = (given, recv.bytes, room)
    return scheduled(call, driver.transport, members, number, buffers, finish)


def _shares(
    driver: Driver, call: PreparedCall, send: UserBuffer, recv: UserBuffer
) -> tuple[Bytes, Bytes]:
    """What the call sends, and the work buffer that this is in, if any.

    What the user gave, but for averages of floats: see `spec.shares`. Only in place may these
    replace what was given.
    """
    if not (send.items and lowers(send.dtype, call.average)):
        return send.bytes, NOTHING.bytes
    lent = NOTHING.bytes if in_place(send, recv) else driver.buffers.lend(send.bytes.size)
    shares = lent[: send.bytes.size] if lent.size else send.bytes
    lower(send.bytes, send.dtype, call.average, shares)
    return shares, lent


def _finish(driver: Driver, rooms: Sequence[Bytes], ranks: int, recv: UserBuffer) -> None:
    """To call when all bytes have arrived. ``ranks``: of an average, over how many, else 0."""
    for room in rooms:
        driver.buffers.give_back(room)
    if ranks:
        average(recv, ranks)
    recv.unpack()
