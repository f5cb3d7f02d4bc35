"""`Window`: memory that ranks register and others read and write without their doing.

The memory model, as of OpenSHMEM and MPI's RMA:

- An access is *over* when `Work.wait` or `Window.flush` says so; then its bytes are where they
  belong. ``put`` and ``get`` without ``async_op`` return when they are over.
- Accesses of one rank are in no order, unless a `Window.fence` is between them: then the later ones
  to a rank begin when the earlier ones to it are over. Those to different ranks are in no order.
- Words (64 bits at a multiple of 8 bytes) change in one go, when the access is over in emulated
  time: of all ranks' accesses one after another, at one instant by rank. So the values that
  `Window.fetch_add` returns are the same on every run and host in strict time.
- A signal is a word that changes after the bytes of its ``put_signal`` are there. Who has waited
  for it sees them.
- A read sees what was over when it began. Two accesses to the same bytes of which one writes, and
  which no wait, signal, word or collective call puts in order, are a race: which bytes are there is
  then up to the host. To move a clock on with `Communicator.compute` puts nothing in order.
- The owner reads and writes `Window.local` as it likes, under the same rules.

Bytes move in place, also between processes of one host; times are those of reads and writes of the
machine's software (`fabric.endpoint.one_sided`), contending with all that is in flight.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from collectives.calls.buffers import UserBuffer, view
from collectives.calls.communicator import Communicator
from collectives.memory.arguments import (
    WORDS,
    device_of,
    one_of,
    own_memory,
    word_act,
    word_type,
)
from collectives.memory.errors import WindowError
from collectives.memory.handshake import Met, meet, settle
from collectives.memory.work import MemoryWork, WordWork
from fabric.endpoint.one_sided import READ
from fabric.memory.far import FarMemory
from fabric.memory.places import OwnMemory
from fabric.memory.words import ACTS, BYTES, COMPARISONS, WordAct, signed, unsigned
from fabric.ranks.access import AccessExecution
from fabric.transports.base import Bytes
from fabric.world.messages import Access
from topology.arguments import flag, integer, limit, text

_REMEMBERED = 1024  # accesses under way after which those that are over are looked for


class GlobalAddress(NamedTuple):
    """A byte of a window: ``offset`` in the memory of ``rank``; ``window``: its number."""

    rank: int
    window: int
    offset: int


class Window:
    """Memory of all ranks of a communicator, under addresses of rank and byte.

    All ranks make it together, each with ``memory`` of its own: a number of bytes to make, all 0,
    or a buffer that it has already (see `collectives.calls.buffers`), which must be writable and
    without gaps. ``device``: "npu" or "cpu". ``plane``: over which it is accessed, such as "ub",
    "rdma" or "vpc", the same at all ranks; None: over those of the machine. ``name``: for errors,
    the same at all ranks.

    A ``rank`` is one of the communicator or a `GlobalAddress`, to whose offset ``offset`` is added.
    ``source``, ``into``: where the caller's buffer is, "npu" or "cpu". ``async_op``: return at
    once; ``timeout``: seconds of the wall clock. Raises `WindowError` and `ArgumentError` for what
    cannot be, before anything moves, and `WorldError` for what goes wrong between ranks.
    """

    def __init__(
        self, comm: Communicator, memory: Any, *, device: str = "npu", plane: str | None = None,
        name: str = "window",
    ) -> None:  # fmt: skip
        comm.need_all("one-sided memory")
        self._comm, self.device = comm, device_of(device, "device")
        self.name = text(name, "name", most=64)
        self.plane = None if plane is None else text(plane, "plane", most=64)
        own = own_memory(memory, comm)
        self._own: OwnMemory | None = own
        self.id = comm.next_call()
        self._parts, self._door, self._sides = self._registered(own)
        self._is_timed = comm.machine(READ) is not None
        self._under_way: list[MemoryWork] = []
        self._most = _REMEMBERED

    def _registered(self, own: OwnMemory) -> Met:
        """Register the rank's memory."""
        comm = self._comm
        comm.driver.exposed[self.id] = own  # also if the program lets go of the window
        if comm.memory is not None:
            comm.memory.expose(own.bytes)
        try:
            met = meet(comm, self.id, own, self.device, self.name, self.plane or "")
            comm.driver.exposed[self.id] = own, met.door
            return met
        except WindowError:
            self._withdraw(own)
            raise
        finally:
            own.hide()

    def _withdraw(self, own: OwnMemory) -> None:
        comm = self._comm
        comm.driver.control.withdraw(self.id)
        comm.driver.exposed.pop(self.id, None)
        if comm.memory is not None:
            comm.memory.withdraw(own.bytes)

    def __enter__(self) -> "Window":
        """Itself; at the end of the block it is freed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Free it, unless an error ends the program."""
        if error is None:
            self.free()

    @property
    def local(self) -> Bytes:
        """The rank's own memory, uint8 [size]; `numpy.ndarray.view` gives it another type."""
        if self._own is None:
            raise self._freed("its memory")
        return self._own.bytes

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many bytes each rank has registered, in order of ranks."""
        return tuple(part.size for part in self._parts)

    def address(self, rank: int, offset: int = 0) -> GlobalAddress:
        """The address of a byte, which any rank may use; raises `WindowError` for none."""
        place = self._comm.place(rank, "rank")
        self._part("an address", place, integer(offset, "offset"), 0)
        return GlobalAddress(place, self.id, int(offset))

    def put(
        self, x: Any, rank: int | GlobalAddress, offset: int = 0, *, source: str = "npu",
        async_op: bool = False, timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """Write ``x`` to a rank's memory from byte ``offset`` on.

        ``x`` may be used again at once, also with ``async_op``.
        """
        return self.putv([(x, offset)], rank, source=source, async_op=async_op, timeout=timeout)

    def get(
        self, out: Any, rank: int | GlobalAddress, offset: int = 0, *, into: str = "npu",
        async_op: bool = False, timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """Fill ``out`` from a rank's memory from byte ``offset`` on.

        With ``async_op`` it is filled when the work has been waited for, or flushed.
        """
        return self.getv([(out, offset)], rank, into=into, async_op=async_op, timeout=timeout)

    def putv(
        self, pieces: Sequence[tuple[Any, int]], rank: int | GlobalAddress, *,
        source: str = "npu", async_op: bool = False, timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """Write many ``pieces``, each a buffer and its offset, to a rank's memory in one access.

        Each is a message of its own.
        """
        return self._put("put", pieces, rank, None, source, async_op, timeout)

    def put_signal(
        self, x: Any, rank: int | GlobalAddress, offset: int, signal: int, value: int = 1, *,
        op: str = "set", source: str = "npu", async_op: bool = False,
        timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """Write ``x``, and then change the word at byte ``signal`` of the same rank's memory.

        ``op``: "set" or "add", with ``value``. The word is 8 bytes more of the message.
        """
        act = self._act("put_signal", one_of(op, ("set", "add"), "op"), signal, value)
        return self._put("put_signal", [(x, offset)], rank, act, source, async_op, timeout)

    def signal(
        self, rank: int | GlobalAddress, signal: int, value: int = 1, *, op: str = "set",
        async_op: bool = False, timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """Change the word at byte ``signal`` of a rank's memory, as `put_signal` without bytes."""
        act = self._act("signal", one_of(op, ("set", "add"), "op"), signal, value)
        return self._put("signal", [], rank, act, self._sides[0], async_op, timeout)

    def getv(
        self, pieces: Sequence[tuple[Any, int]], rank: int | GlobalAddress, *, into: str = "npu",
        async_op: bool = False, timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """Fill many ``pieces``, each a buffer and its offset, from a rank's memory in one access.

        Each is a message of its own.
        """
        place, base = self._target(rank)
        taken = [(view(out, "out", True), base + integer(at, "offset")) for out, at in pieces]
        size = self._check("get", place, taken)
        part = self._parts[place]

        def fill() -> None:
            for buffer, at in taken:
                part.memory.read(at, buffer.bytes)
                buffer.unpack()

        access = self._access("get", place, False, size, len(taken), into, None)
        if not self._is_timed:
            return self._go(access, place, fill, None, async_op, timeout)
        return self._go(access, place, None, fill, async_op, timeout)

    def atomic(
        self, rank: int | GlobalAddress, at: int, op: str, value: int, compare: int = 0,
        dtype: DTypeLike = np.int64,
    ) -> WordWork:  # fmt: skip
        """Begin to change the word at byte ``at``; `WordWork.value` is what it was before.

        ``op``: "set", "add", "swap", "cas" (if it is ``compare``), "and", "or", "xor". It takes as
        long as a read of a word.
        """
        act = self._act(op, one_of(op, ACTS, "op"), at, value, compare)
        is_signed = word_type(dtype) == WORDS[0]
        place, base = self._target(rank)
        act = act._replace(at=act.at + base)
        self._check_word(op, place, act.at)
        access = self._access(op, place, False, BYTES, 1, self._sides[0], act)
        execution = AccessExecution(access, self._comm.driver.transport, None)
        self._comm.driver.start([execution])
        work = WordWork(self._comm.driver, execution, place, is_signed)
        self._note(work)
        return work

    def fetch_add(
        self, rank: int | GlobalAddress, at: int, value: int = 1, dtype: DTypeLike = np.int64
    ) -> int:
        """Add ``value`` to the word at byte ``at`` of a rank's memory; returns it from before."""
        return self.atomic(rank, at, "add", value, dtype=dtype).value()

    def compare_and_swap(
        self, rank: int | GlobalAddress, at: int, compare: int, value: int,
        dtype: DTypeLike = np.int64,
    ) -> int:  # fmt: skip
        """Set the word at byte ``at`` to ``value`` if it is ``compare``; returns it from before."""
        return self.atomic(rank, at, "cas", value, compare, dtype).value()

    def timed(
        self, rank: int | GlobalAddress, size: int, messages: int = 1, *, writes: bool,
        near: str = "npu", async_op: bool = False, timeout: float | None = None,
    ) -> MemoryWork:  # fmt: skip
        """An access of ``size`` bytes in so many messages that takes its time and moves nothing.

        It is for bytes that lie elsewhere than in the window, as a pool's do. ``writes``: to the
        rank's memory, else from there; ``near``: where the caller's bytes are, "npu" or "cpu".
        """
        self._check_open("timed")
        place, _ = self._target(rank)
        total, many = integer(size, "size", 0), integer(messages, "messages", 1)
        access = self._access("timed", place, flag(writes, "writes"), total, many, near, None)
        return self._go(access, place, None, None, async_op, timeout)

    def wait(
        self, at: int, value: int = 1, comparison: str = ">=", *, timeout: float | None = None
    ) -> int:
        """Return when this rank's own word at byte ``at`` compares so with ``value``; returns it.

        ``comparison``: "==", "!=", ">=", ">", "<=" or "<", as numbers with a sign. The rank's clock
        is then not before the change. Nobody but `put_signal`, `signal` and `atomic` ends the wait.
        """
        how = one_of(comparison, COMPARISONS, "comparison")
        byte, wanted = integer(at, "at"), integer(value, "value")
        self._check_word("wait", self._comm.rank, byte)
        words = f"the word at {byte} of its window {self.name!r} to be {how} {wanted}"
        time = limit(timeout)
        found = self._comm.driver.await_word(
            self.id, byte, how, unsigned(wanted), words,
            self._comm.timeout if time is None else time,
        )  # fmt: skip
        return signed(found)

    def fence(self) -> None:
        """Have later accesses to a rank begin when earlier ones to it are over. Does not wait.

        It holds for all windows of the rank.
        """
        self._check_open("fence")
        self._comm.driver.fence()

    def flush(self, rank: int | None = None, *, timeout: float | None = None) -> None:
        """Return when all accesses of this rank by this window are over, or those to ``rank``."""
        self._check_open("flush")
        target = None if rank is None else self._comm.place(rank, "rank")
        kept, under_way = [], self._under_way
        self._under_way = []
        for work in under_way:
            if target is None or work.target == target:
                work.wait(timeout)
            else:
                kept.append(work)
        self._under_way += kept

    def free(self) -> None:
        """Complete all accesses, and give the memory back; all ranks call it. Idempotent."""
        if self._own is None:
            return
        self.flush()
        # Its reply comes after the authority has all accesses of this rank, and before any rank
        # withdraws the memory that they name.
        self._comm.driver.control.machine(READ)
        settle(self._comm, self.name)
        self._withdraw(self._own)
        for part in self._parts:
            if isinstance(part.memory, FarMemory):
                part.memory.close()
        if self._door is not None:
            self._door.close()
        self._own, self._parts, self._door = None, (), None

    def _put(
        self, name: str, pieces: Sequence[tuple[Any, int]], rank: int | GlobalAddress,
        act: WordAct | None, source: str, async_op: bool, timeout: float | None,
    ) -> MemoryWork:  # fmt: skip
        place, base = self._target(rank)
        given = [(view(x, "x"), base + integer(at, "offset")) for x, at in pieces]
        size = self._check(name, place, given)
        if act is not None:
            act = act._replace(at=act.at + base)
            self._check_word(name, place, act.at)
            size += BYTES
        part = self._parts[place]

        def store() -> None:
            for buffer, at in given:
                part.memory.write(at, buffer.bytes)

        access = self._access(name, place, True, size, max(len(given), 1), source, act)
        then = None if act is None else _nothing
        return self._go(access, place, store, then, async_op, timeout)

    def _go(
        self, access: Access, place: int, store: Callable[[], None] | None,
        then: Callable[[], None] | None, async_op: bool, timeout: float | None,
    ) -> MemoryWork:  # fmt: skip
        asynchronous, time = flag(async_op, "async_op"), limit(timeout)
        driver = self._comm.driver
        execution = AccessExecution(access, driver.transport, store)
        driver.start([execution])
        work = MemoryWork(driver, execution, place, then)
        if asynchronous:
            self._note(work)
        else:
            work.wait(self._comm.timeout if time is None else time)
        return work

    def _note(self, work: MemoryWork) -> None:
        if len(self._under_way) >= self._most:
            self._under_way = [one for one in self._under_way if not one.is_over]
            self._most = max(_REMEMBERED, 2 * len(self._under_way))
        self._under_way.append(work)

    def _access(
        self, name: str, place: int, writes: bool, size: int, messages: int, near: str,
        act: WordAct | None,
    ) -> Access:  # fmt: skip
        which = "source" if writes else "into"
        cpu = device_of(near, which) == "cpu"
        target = self._parts[place].rank
        if near not in self._sides:
            raise WindowError(
                f"{name} with {which} {near!r}: {near} memory of rank {self._comm.rank} has no port"
                f" on plane {self.plane} of window {self.name!r}; {which} can be"
                f" {', '.join(self._sides)}"
            )
        over = f" over {self.plane}" if self.plane else ""
        words = f"{name}({size} B, rank {target}, window {self.name!r}{over})"
        return Access(
            self._comm.next_own(), self.id, target, writes, size, max(messages, 1), cpu, act, words
        )

    def _target(self, rank: int | GlobalAddress) -> tuple[int, int]:
        """A rank of the group, and the byte that offsets count from."""
        if isinstance(rank, GlobalAddress):
            if rank.window != self.id:
                raise WindowError(f"{rank} is an address of another window than {self.name!r}")
            return self._comm.place(rank.rank, "rank"), rank.offset
        return self._comm.place(rank, "rank"), 0

    def _check(self, name: str, place: int, pieces: Sequence[tuple[UserBuffer, int]]) -> int:
        """The bytes of all pieces; raises `WindowError` for one that does not fit."""
        self._check_open(name)
        total = 0
        for buffer, at in pieces:
            self._part(name, place, at, buffer.bytes.size)
            total += buffer.bytes.size
        return total

    def _part(self, name: str, place: int, at: int, size: int) -> None:
        self._check_open(name)
        have = self._parts[place].size
        if at < 0 or at + size > have:
            raise WindowError(
                f"{name} of {size} bytes at offset {at} of rank {place}'s window {self.name!r}:"
                f" it has {have} bytes"
            )

    def _check_word(self, name: str, place: int, at: int) -> None:
        self._part(name, place, at, BYTES)
        if at % BYTES:
            raise WindowError(
                f"{name} of the word at offset {at} of rank {place}'s window {self.name!r}: words"
                f" begin at multiples of {BYTES}"
            )

    def _act(self, name: str, kind: str, at: int, value: int, compare: int = 0) -> WordAct:
        self._check_open(name)
        return word_act(kind, at, value, compare)

    def _check_open(self, name: str) -> None:
        if self._own is None:
            raise self._freed(name)

    def _freed(self, name: str) -> WindowError:
        return WindowError(f"{name}: window {self.name!r} of rank {self._comm.rank} was freed")


def _nothing() -> None:
    """What follows from an access of which nothing is to be done here."""
