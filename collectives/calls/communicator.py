"""`Communicator`: the calls that a rank makes, which take buffers and fill buffers.

Every call is checked before anything is sent: wrong arguments raise at this rank alone. Then the
rank's part of the schedule runs with real bytes (`fabric.ranks.schedule_moves`), and the authority
learns of it and says how long it takes (`fabric.world.rank_control`). Calls of a kind are worked
out once (`PreparedCall`).

Reductions combine items two at a time in their own dtype, each result rounded to it, in the order
that the algorithm's schedule says: what `collectives.algorithms.reference` computes, bit for bit,
and the same bits at every rank. Where two NaNs are combined, one of them comes out, and which one
is not said.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.algorithms.table import algorithm as lookup
from collectives.algorithms.table import default
from collectives.algorithms.verify import Specification, verify
from collectives.calls import all_to_all_v
from collectives.calls.any_source import AnyWork, any_source
from collectives.calls.buffers import NOTHING, UserBuffer, name_of, shared_array, shift, view
from collectives.calls.execution import execution
from collectives.calls.group import Group
from collectives.calls.messages import CheckedMessage, Recv, Send, checked, checked_all
from collectives.calls.messages import call as message_call
from collectives.calls.prepared import CallArguments, advice, collective, custom
from collectives.calls.staging import Staging
from collectives.calls.untimed import Untimed, blocks
from collectives.calls.work import Work
from fabric.endpoint.costs import FREE
from fabric.failure import RankLost, WorldError
from fabric.launching.member import Member
from fabric.ranks.at_once import CallAtOnce, call_at_once
from fabric.ranks.driver import Driver
from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.message_moves import Round, in_rounds, timed_as
from fabric.ranks.wide import WIDE
from fabric.schedule.plan import Plan, plan
from fabric.schedule.step import Step, only_steps
from fabric.transports.base import Bytes, PeerMemory, Shared
from fabric.world.messages import MachineLabel
from topology import arguments
from topology.arguments import flag, integer, integers, limit, shown, text
from topology.errors import ArgumentError

_LARGEST = (1 << 63) - 1

REMEMBERED = 1024
"""Kinds of calls that a communicator remembers."""


class Communicator:
    """A group of ranks as one of them sees it: ``rank`` of ``size``; made by `init`.

    ``copies``: in a call of all ranks of the world, how many of the machine this one stands for,
    itself included; above 1 with `Settings.as_part_of`. ``joined``: whether it is the one that
    `init` has given to a spare, which a `grow` of the others has taken in. ``telling``: what ranks
    tell each other about calls, in no emulated time.

    Unless a call says otherwise: ``x`` is read and ``out`` filled, see `collectives.calls.buffers`
    for what they can be; both hold items of one type, and only their numbers of items matter, not
    their shapes. ``async_op``: return at once; see `Work`. ``algorithm``: one of
    `collectives.ALGORITHMS`; None: the fastest on the emulated fabric. ``timeout``: seconds of the
    wall clock. All ranks of the group make the same calls in the same order. In strict time a rank
    is one thread, as one that waits cannot do anything else; in eager and paced time several
    threads of a rank may call at once, each with a communicator of its own.

    Numbers may be of any library's type (numpy, torch, True for 1), the same on every transport; an
    integer has to be one (1.0 is none), and ``timeout`` from 0 on: see `topology.arguments`.

    Raises `ArgumentError` and `ScheduleError` for wrong arguments, before anything is sent, and
    `WorldError` for what goes wrong between the ranks; then the rank can make no more calls.
    """

    def __init__(
        self, me: Member, group: Group, timeout: float | None = None, *, everybody: bool = False
    ) -> None:
        self.rank, self.size, self._everybody = group.rank, group.size, everybody
        self.joined = False
        self._member, self._group, self._timeout = me, group, timeout
        self._driver: Driver = me.driver
        self._no_rows = Plan(group.rank, group.size, ())
        self.telling = Untimed(group.rank, group.members, self._driver.transport)
        self._calls: dict[Hashable, PreparedCall] = {}
        self._at_once: dict[CallArguments, CallAtOnce] = {}
        self._told_at_once: dict[tuple[str, str, int], CallAtOnce | None] = {}
        self._machines: dict[str, MachineLabel | None] = {}
        self._staging: Staging | None = None
        self._wide = WIDE if self._driver.transport.many else None
        # How many modelled ranks this one stands for in calls of the group.
        self.copies = me.settings.copies(me.size) if group.size == me.size else 1

    def __enter__(self) -> "Communicator":
        """Itself; at the end of the block it is closed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Leave the world; with an error, the others learn of it."""
        if self._everybody:
            self._member.close(error)

    def close(self) -> None:
        """Complete the calls in progress and leave the world: other ranks wait no more for it.

        For a communicator made by `split` or `group` it does nothing.
        """
        if self._everybody:
            self._member.close()

    def now(self) -> float:
        """The rank's clock in emulated seconds.

        Without an emulated machine, that of the wall clock.
        """
        return self._driver.now()

    def compute(self, seconds: float) -> None:
        """Advance the rank's clock by ``seconds`` of emulated time, as if it had computed."""
        span = arguments.seconds(seconds)
        sent = self._driver.control.clock.sends_computing
        with nullcontext() if sent else self.span("compute"):
            self._driver.compute(span)

    def machine(self, operation: str) -> MachineLabel | None:
        """The emulated system, and the software stack on it by which ``operation`` is timed.

        ``operation``: "all_reduce", "dispatch", "dispatch:normal" and the like. None if no machine
        is emulated. The authority is asked once; raises `WorldError`.
        """
        operation = text(operation, "operation")
        if operation not in self._machines:
            self._machines[operation] = self._member.control.machine(operation)
        return self._machines[operation]

    def span(self, name: str) -> AbstractContextManager[None]:
        """A context manager whose block traces show as a span called ``name``, on the rank's clock.

        Without a trace it costs nothing.
        """
        called = text(name, "name")
        settings = self._member.settings
        if settings.trace is None and settings.record is None:
            return nullcontext()
        return self._marked(called)

    @contextmanager
    def _marked(self, name: str) -> Iterator[None]:
        driver, number = self._driver, next(self._member.spans)
        driver.mark(number, name)
        try:
            yield
        finally:
            if driver.error is None:
                driver.mark(number, None)

    def empty(self, shape: Any, dtype: Any = np.float64) -> NDArray[Any]:
        """A new array for the buffers of large calls, zeros.

        Between processes of one host others read there what the rank sends, without a copy before
        and without the kernel; elsewhere it is an array like others. It is freed with the last
        array that shares its memory. A child that the rank forks shares it, too.

        ``shape``, ``dtype``: as for `numpy.empty`. Raises `ArgumentError` for those that there are
        not, `TransportError` if there is no room.
        """
        return shared_array(self._driver.shared, shape, dtype)

    def all_reduce(
        self, x: Any, op: str = "sum", out: Any = None, *, async_op: bool = False,
        algorithm: str | None = None, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Combine the ``x`` of all ranks, item by item, into ``out`` at every rank.

        ``out``: None for ``x`` itself. ``op``: "sum", "prod", "min", "max", "avg", "band", "bor" or
        "bxor" (bits); see `collectives.calls.reductions.reduction`. Both have equally many items.
        """
        send, recv = self._pair(x, out)
        return self._collective("all_reduce", send, recv, op, 0, algorithm, async_op, timeout)

    def reduce(
        self, x: Any, root: int = 0, op: str = "sum", out: Any = None, *, async_op: bool = False,
        algorithm: str | None = None, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Combine the ``x`` of all ranks, item by item, into ``out`` at rank ``root``.

        ``out``: None for ``x`` itself; ignored at other ranks. ``op``: as in `all_reduce`. Both
        have equally many items.
        """
        root = self._group.check(root, "root")
        send, recv = self._pair(x, out) if self.rank == root else (view(x, "x"), NOTHING)
        return self._collective("reduce", send, recv, op, root, algorithm, async_op, timeout)

    def reduce_scatter(
        self, out: Any, x: Any, op: str = "sum", *, async_op: bool = False,
        algorithm: str | None = None, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Combine the ``x`` of all ranks, item by item, and fill ``out`` with the own block.

        ``x`` has ``size`` times as many items as ``out``. ``op``: as in `all_reduce`.
        """
        send, recv = view(x, "x"), view(out, "out", True)
        return self._collective("reduce_scatter", send, recv, op, 0, algorithm, async_op, timeout)

    def all_gather(
        self, out: Any, x: Any, *, async_op: bool = False, algorithm: str | None = None,
        timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Fill ``out`` with the ``x`` of all ranks, in rank order.

        ``out`` has ``size`` times as many items as ``x``.

        In place if ``x`` is the rank's own block of ``out``.
        """
        send, recv = view(x, "x"), view(out, "out", True)
        return self._collective("all_gather", send, recv, "", 0, algorithm, async_op, timeout)

    def broadcast(
        self, x: Any, root: int = 0, *, async_op: bool = False, algorithm: str | None = None,
        timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Fill every rank's ``x`` with that of rank ``root``; all have equally many items."""
        root, both = self._group.check(root, "root"), view(x, "x", True)
        return self._collective("broadcast", both, both, "", root, algorithm, async_op, timeout)

    def gather(
        self, out: Any, x: Any, root: int = 0, *, async_op: bool = False,
        algorithm: str | None = None, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Fill ``out`` at rank ``root`` with the ``x`` of all ranks, in rank order.

        ``out`` has ``size`` times as many items as ``x``; at other ranks it may be None.
        """
        root = self._group.check(root, "root")
        send, recv = view(x, "x"), view(out, "out", True) if self.rank == root else NOTHING
        return self._collective("gather", send, recv, "", root, algorithm, async_op, timeout)

    def scatter(
        self, out: Any, x: Any, root: int = 0, *, async_op: bool = False,
        algorithm: str | None = None, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Fill ``out`` with the rank's own block of rank ``root``'s ``x``.

        ``x`` has ``size`` times as many items as ``out``; at other ranks it may be None.
        """
        root = self._group.check(root, "root")
        send, recv = view(x, "x") if self.rank == root else NOTHING, view(out, "out", True)
        return self._collective("scatter", send, recv, "", root, algorithm, async_op, timeout)

    def all_to_all(
        self, out: Any, x: Any, *, async_op: bool = False, algorithm: str | None = None,
        timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Send block j of ``x`` to rank j; block i of ``out`` is received from rank i.

        Not in place.

        Both have ``size`` blocks of equally many items.
        """
        send, recv = view(x, "x"), view(out, "out", True)
        return self._collective("all_to_all", send, recv, "", 0, algorithm, async_op, timeout)

    def all_to_all_v(
        self, out: Any, x: Any, send_counts: ArrayLike, recv_counts: ArrayLike, *,
        async_op: bool = False, algorithm: str | None = None, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Send ``send_counts[j]`` items to rank j and receive ``recv_counts[i]`` items from rank i.

        Both buffers hold the blocks without gaps in the order of ranks, and may be longer. Each
        rank knows its own counts only; for the algorithm "hierarchical", which needs all, they are
        gathered first, which takes time as any all_gather does. Not in place.
        """
        asynchronous, time = flag(async_op, "async_op"), limit(timeout)
        self._unscaled("all_to_all_v")
        send, recv = view(x, "x"), view(out, "out", True)
        sent = all_to_all_v.sizes("send_counts", send_counts, send, self.size)
        received = all_to_all_v.sizes("recv_counts", recv_counts, recv, self.size)
        all_to_all_v.check(self.rank, send, recv, sent, received)
        asked = _algorithm("all_to_all_v", algorithm)
        name, facts = default("all_to_all_v", self.size, 0) if asked is None else asked, None
        if name in all_to_all_v.LOCAL:
            mine = all_to_all_v.plan(name, self.rank, sent, received)
        else:
            counts = np.empty((self.size, self.size), np.int64)
            self.all_gather(counts, sent, timeout=time)
            node = advice(
                "all_to_all_v", self._group, 0, self._member.control, algorithm=name
            ).ranks_per_node
            mine = all_to_all_v.plan_of_all(name, self.rank, counts, node)
            facts = {"all_to_all_v": name, "counts": counts.tolist()} if self.records else None
        call = all_to_all_v.call(send.dtype, mine, name, self._wide, facts)
        return self._make(call, send, recv, asynchronous, time)

    def barrier(self, *, async_op: bool = False, timeout: float | None = None) -> Work:
        """Return when all ranks of the group have called it."""
        return self._collective("barrier", NOTHING, NOTHING, "", 0, None, async_op, timeout)

    def send(self, x: Any, dst: int, tag: int = 0, *, timeout: float | None = None) -> Work:
        """Send ``x`` to rank ``dst``; in emulated time the call is over when it has been received.

        So two ranks that both send first wait for each other, as in NCCL; use `batch`. ``tag``:
        messages with one tag arrive in order.
        """
        return self._messages([checked(Send(x, dst, tag), self._group)], False, timeout)

    def recv(self, x: Any, src: int, tag: int = 0, *, timeout: float | None = None) -> Work:
        """Fill ``x`` with a message from rank ``src``, which must have as many bytes."""
        return self._messages([checked(Recv(x, src, tag), self._group)], False, timeout)

    def isend(self, x: Any, dst: int, tag: int = 0) -> Work:
        """Begin `send`, and return its `Work` at once."""
        return self._messages([checked(Send(x, dst, tag), self._group)], True, None)

    def irecv(self, x: Any, src: int, tag: int = 0) -> Work:
        """Begin `recv`, and return its `Work` at once."""
        return self._messages([checked(Recv(x, src, tag), self._group)], True, None)

    def irecv_any(self, x: Any, tag: int = 0) -> AnyWork:
        """Begin to receive from the rank whose message of ``tag`` arrives first.

        See `AnyWork.source`.

        Which one does depends on the host, and if none arrives, only a time-out ends it. A receive
        that names its sender gets that sender's messages first.
        """
        into, stream = view(x, "x", True), integer(tag, "tag")

        def receive(src: int) -> Execution:
            return self._message(CheckedMessage(src, self.rank, stream, NOTHING, into))

        words = f"recv({name_of(into.dtype)}[{into.items}], any rank, tag {stream})"
        return any_source(self._group, self._driver, words, stream, receive)

    def batch(
        self, messages: Sequence[Send | Recv], *, async_op: bool = False,
        timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Make all of these messages at once: none of them waits for another.

        The one way to send to oneself: the first `Send` to it matches the first `Recv` from it.
        """
        return self._messages(checked_all(messages, self._group), async_op, timeout)

    def run(
        self, steps: Iterable[Step] | Plan, send: Any = None, recv: Any = None, op: str = "sum", *,
        operation: str = "", name: str = "run", spec: Specification | None = None, root: int = 0,
        async_op: bool = False, timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Run a schedule of `fabric.schedule.step.Step`, the same at every rank, with real bytes.

        ``steps``: or this rank's `fabric.schedule.plan.Plan` of them, which saves computing it
        again. ``send``, ``recv``: the rank's buffers, None if it has none; a work buffer is
        provided as the steps need it. ``op``: for steps that reduce. ``operation``: selects the
        software's constants, as in `Fabric.simulate`. ``name``: what errors and traces call it.

        ``spec``: what the schedule has to do; if it does not, `ScheduleError` says what each rank
        lacks, and nothing is sent. The name of a collective, such as "all_reduce" (with ``root``
        if it has one), or a function: it is given the send buffers of all ranks, each as long as
        this rank's, as arrays of uint64, and returns what each recv buffer must begin with, None
        for any. It takes as long as `collectives.algorithms.reference.run`, once for each rank if
        ``op`` is "min", "max", "band" or "bor": for tests and small worlds.
        """
        asynchronous, time = flag(async_op, "async_op"), limit(timeout)
        self._unscaled("a schedule of the program's own")
        given = NOTHING if send is None else view(send, "send")
        filled = NOTHING if recv is None else view(recv, "recv", True)
        reduction, costs, words = text(op, "op"), text(operation, "operation"), text(name, "name")
        if spec is not None:
            steps = self._verified(steps, spec, given, filled, reduction, root)
        mine = steps if isinstance(steps, Plan) else plan(only_steps(steps), self.size, self.rank)
        call = custom(mine, self._group, given, filled, reduction, costs, words, self._wide)
        return self._make(call, given, filled, asynchronous, time)

    def _verified(
        self, steps: Iterable[Step] | Plan, spec: Specification, send: UserBuffer,
        recv: UserBuffer, op: str, root: int,
    ) -> Iterable[Step]:  # fmt: skip
        if isinstance(steps, Plan):
            raise ArgumentError("a Plan has one rank's rows; with spec, steps has to be of Step")
        if not (callable(spec) or isinstance(spec, str)):
            raise ArgumentError(
                f"spec is {shown(spec)}; it has to be the name of a collective or a function"
            )
        listed = list(only_steps(steps))
        verify(
            listed, spec, ranks=self.size, sent=send.bytes.size, held=recv.bytes.size,
            itemsize=(send if send.items else recv).dtype.itemsize, op=op,
            root=self._group.check(root, "root"),
        )  # fmt: skip
        return listed

    def inform(
        self, out: NDArray[Any], x: NDArray[Any], words: str,
        then: Callable[[], None] | None = None, *, operation: str = FREE,
        timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Send block ``x[j]`` to rank j, in no emulated time; ``out[i]`` is the block from rank i.

        For what ranks must know of each other before they can say what their next call is; the
        emulated machine learns that from the call itself. ``words``: a description of the call with
        everything on which ranks must agree. Both arrays are ``[ranks, ...]``, of one type, without
        gaps. ``then``: called when all blocks are there, as a part of the call. ``operation``: one
        that takes no emulated time (`is_untimed`).
        """
        blocks(out, x, self.size)
        kind = words, operation, x.nbytes
        if kind not in self._told_at_once:
            self._keep_told(text(words, "words"), operation, x.nbytes)
        one = self._told_at_once[kind]
        if one is None:
            call = timed_as(words, self._no_rows, operation)
            return self.exchange(call, self.telling.rounds(out, x), then, timeout=timeout)
        given, into = (array.reshape(-1).view(np.uint8) for array in (x, out))
        return self._go_at_once(one, given, into, limit(timeout), then)

    def _keep_told(self, words: str, operation: str, size: int) -> None:
        """Have `inform` make such calls of ``size`` bytes at once, if they can be."""
        if len(self._told_at_once) >= REMEMBERED:
            self._told_at_once.clear()
        call = self.telling.call(words, operation, size // self.size)
        self._told_at_once[words, operation, size] = (
            None if call is None else self._at_once_of(call)
        )

    @property
    def members(self) -> tuple[int, ...]:
        """The world ranks of this group's ranks, in order."""
        return self._group.members

    @property
    def driver(self) -> Driver:
        """What completes the rank's calls, for calls that are made elsewhere."""
        return self._driver

    @property
    def records(self) -> bool:
        """Whether the run is recorded, so that calls say what they follow from."""
        return self._driver.control.records

    @property
    def timeout(self) -> float | None:
        """The wall seconds after which a call raises `TimedOut` that does not say otherwise."""
        return self._timeout

    def next_call(self) -> int:
        """A number for a call of all ranks, 64 bits: they make their calls in one order."""
        return self._group.next_call()

    def next_own(self) -> int:
        """A number for a call that this rank makes alone, 64 bits."""
        return self._group.next_own()

    def place(self, rank: Any, name: str) -> int:
        """``rank`` as an int; raises `ArgumentError` if the group has no such rank."""
        return self._group.check(rank, name)

    @property
    def staging(self) -> Staging | None:
        """Memory from which ranks read each other's data in calls, without a wait for the readers.

        None where they cannot, or need no copies. All ranks ask for it in the same calls.
        """
        if self._staging is None and self._can_stage:
            shared = cast(Shared, self._driver.shared)
            self._staging = Staging(shared, self.rank, self.members, self._staged)
            self._driver.stay_until(self._staging.is_over)  # also where the group is dropped
        return self._staging

    @property
    def _can_stage(self) -> bool:
        memory, driver = self.memory, self._driver
        return not (memory is None or memory.in_place or driver.shared is None or driver.survives)

    def _staged(self, words: NDArray[np.int64]) -> NDArray[np.int64]:
        told = np.empty_like(words)
        self.inform(told, words, "where what is read lies")
        return told

    @property
    def memory(self) -> PeerMemory | None:
        """The means to read the memory of all ranks of the world, if all of them can; else None."""
        return self._driver.transport.memory

    def exchange(
        self, call: PreparedCall, messages: Sequence[Callable[[], Round]],
        finish: Callable[[], None] | None = None, *, async_op: bool = False,
        timeout: float | None = None,
    ) -> Work:  # fmt: skip
        """Make a call whose messages are given directly, round by round.

        See `fabric.ranks.message_moves.in_rounds`.

        ``finish``: called when all messages have been received.
        """
        driver, group = self._driver, self._group
        asynchronous, time = flag(async_op, "async_op"), limit(timeout)
        if call.timed is None and call.operation != FREE:
            self._unscaled(call.words)
        number = group.next_call()
        return self._go(
            [in_rounds(call, driver.transport, group.members, number, messages, finish)],
            asynchronous, time,
        )  # fmt: skip

    def untimed(self, words: str, operation: str) -> PreparedCall | None:
        """A call of ``operation`` where nothing takes emulated time, and nobody writes it down.

        So what it consists of need not be told; None where it has to be. ``words``: what it is to
        all its ranks, with everything on which they must agree.
        """
        return timed_as(words, self._no_rows, operation) if self.is_untimed(operation) else None

    def is_untimed(self, operation: str) -> bool:
        """Whether calls of ``operation`` take no emulated time, and nobody writes them down."""
        return not self.records and self.machine(operation) is None

    def check(self) -> None:
        """Raise the `WorldError` that has ended the world, if one has; cheap."""
        self._driver.control.check()

    def refuse(self, error: Exception) -> NoReturn:
        """Raise ``error``, and report it to every other rank, so that none waits for this one."""
        with self._driver:
            raise error

    def split(self, color: int | None, key: int = 0) -> "Communicator | None":
        """A communicator of the ranks that pass the same ``color``, in order of key and rank.

        Both are any integers of 64 bits. None at a rank whose color is None. It takes the time of
        an all_gather of 24 bytes.
        """
        part = None if color is None else integer(color, "color")
        mine = np.array([part is not None, part or 0, integer(key, "key")], np.int64)
        told = np.empty((self.size, 3), np.int64)
        self.all_gather(told, mine)
        if part is None:
            return None
        same = np.flatnonzero((told[:, 0] == 1) & (told[:, 1] == part))
        return self._sub([int(rank) for rank in same[np.argsort(told[same, 2], kind="stable")]])

    def group(self, ranks: Sequence[int]) -> "Communicator | None":
        """A communicator of these ranks, in this order; None at a rank that is not among them.

        Its members call it equally often with the same ranks; the others need not. Nothing is sent,
        and it takes no time. Raises `ArgumentError` for a rank that is unknown, or listed twice.
        """
        members = [
            self._group.check(rank, "a rank of the group") for rank in integers(ranks, "ranks")
        ]
        if len(set(members)) != len(members):
            raise ArgumentError(f"a rank is twice in the group {members}")
        return self._sub(members) if self.rank in members else None

    @property
    def lost(self) -> tuple[int, ...]:
        """The ranks of this communicator that are lost, as far as this rank knows; sorted.

        Others may know of more, or fewer: `shrink` finds out together.
        """
        known = tuple(self._member.control.lost)
        return tuple(place for place, rank in enumerate(self._group.members) if rank in known)

    def shrink(self) -> "Communicator":
        """A communicator of the ranks that are left of this one, in the same order.

        All that are left call it, after a `RankLost` or without one; it waits for them, and gives
        all of them the same ranks, also if another is lost meanwhile. Afterwards this communicator
        and others made before a loss are of no further use to a rank that has had a `RankLost`.
        In emulated time it ends when the last rank has called it (if a rank is lost meanwhile, not
        before its loss is detected), and then takes an all_reduce of 16 bytes between those left.
        Raises `WorldError` unless the world goes on after a loss (``on_loss="shrink"``), and where
        the others make other calls instead.
        """
        return self._regrouped("shrink()", ())

    def grow(self, ranks: int = 1, *, at: Sequence[int] | None = None) -> "Communicator":
        """A communicator of the ranks that are left of this one, and of ``ranks`` spares.

        All that are left call it, as `shrink`, after a `RankLost` or without one. Spares are ranks
        that were launched with ``spares``: they wait in `init`, which gives them the same
        communicator. As many join as there are, perhaps none; those with the lowest numbers first.
        ``at``: their places in the new communicator, such as those of the ranks that were lost;
        None: the last ones. In emulated time they join when the agreement is over.
        """
        count = integer(ranks, "ranks", 1) if at is None else len(at)
        last = self.size + count  # a place that is not there yet is the last one
        places = [last] * count if at is None else sorted(integers(at, "at", least=0))
        if at is not None and (len(set(places)) < count or not count):
            raise ArgumentError(f"at is {list(at)}; one place or more is needed, each once")
        return self._regrouped("grow()", tuple(places))

    def _regrouped(self, call: str, places: tuple[int, ...]) -> "Communicator":
        """The communicator of those that are left, and of spares at ``places``, by agreement."""
        group, driver = self._group, self._driver
        if not driver.survives:
            raise WorldError(
                f"this world ends with the loss of a rank: {call} needs on_loss='shrink' where it"
                " is launched (triplane run --on-loss shrink)"
            )
        agreed = driver.agree(group.agreement(), group.members, places)
        members, number = agreed.members, agreed.generation
        lineage = ("grown", number) if agreed.joined else ("shrunk", group.id, number)
        made = Group(lineage, members, members.index(self._member.rank), number)
        again = Communicator(self._member, made, self._timeout, everybody=self._everybody)
        return again.confirmed()

    def confirmed(self) -> "Communicator":
        """Itself, when all its ranks are found to mean the same group.

        If one is lost meanwhile, the communicator of those that are left.
        """
        try:
            self._confirm()
        except RankLost as error:
            if error.op is None:
                raise
            return self.shrink()
        return self

    def _confirm(self) -> None:
        """Have all ranks see that they mean the same group; raises `RankLost` if one is lost."""
        mine = np.array([self._group.id, _LARGEST - self._group.id], np.int64)
        told = mine.copy()
        self.all_reduce(told, "min")
        if not np.array_equal(told, mine):
            raise WorldError("ranks do not agree on who is left")

    def _sub(self, places: list[int]) -> "Communicator":
        self._driver.check_owner()
        members = tuple(self._group.members[place] for place in places)
        origin = (self._group.id, members)
        lineage = ("group", *origin, self._driver.lineages[origin])
        self._driver.lineages[origin] += 1
        group = Group(lineage, members, places.index(self.rank), self._group.generation)
        return Communicator(self._member, group, self._timeout)

    def need_all(self, what: str) -> None:
        """Raise `ArgumentError` where not all ranks of the world run, or may not to its end.

        They are some of many, or go on after losses, or are recorded, which knows nothing of it.
        ``what``: what needs them.
        """
        if self.records:
            raise ArgumentError(f"{what} is not there where a run is recorded (record)")
        if self._driver.survives:
            raise ArgumentError(
                f"{what} is not there where ranks go on after a loss (on_loss='shrink')"
            )
        whole = self._member.settings.as_part_of
        if whole not in (None, self._member.size):
            raise ArgumentError(f"{what} needs all ranks to run; these are a part of {whole}")

    def _unscaled(self, what: str) -> None:
        """Raise `ArgumentError` where ``what`` would have to be the call of many more ranks."""
        if self.copies > 1:
            raise ArgumentError(
                f"{what} cannot be timed as a call of {self.size * self.copies} ranks, of which the"
                f" {self.size} are a part; collectives of one size and low-latency dispatch and"
                " combine can"
            )

    def _pair(self, x: Any, out: Any) -> tuple[UserBuffer, UserBuffer]:
        if out is None:
            both = view(x, "x", True)
            return both, both
        return view(x, "x"), view(out, "out", True)

    def _collective(
        self, op: str, send: UserBuffer, recv: UserBuffer, reduction: str, root: int,
        algorithm: str | None, async_op: bool, timeout: float | None,
    ) -> Work:  # fmt: skip
        asynchronous, time = flag(async_op, "async_op"), limit(timeout)
        if type(reduction) is not str:
            reduction = text(reduction, "op")
        if type(algorithm) is not str:
            algorithm = _algorithm(op, algorithm)
        asked = CallArguments(
            op, (send.dtype, send.items), (recv.dtype, recv.items), reduction, root, algorithm,
            shift(send, recv),
        )  # fmt: skip
        one = self._at_once.get(asked)
        if one is not None and not asynchronous and recv.home is None:
            return self._go_at_once(one, send.bytes, recv.bytes, time)
        call = self._calls.get(asked)
        if call is None:  # or these texts have passed already
            text(reduction, "op")
            _algorithm(op, algorithm)
            call = self._remember(
                asked,
                collective(asked, self._group, self._member.control, self._wide, self.copies),
            )
            self._keep_at_once(asked, call)
        return self._make(call, send, recv, asynchronous, time)

    def _keep_at_once(self, asked: CallArguments, call: PreparedCall) -> None:
        """Have ``call`` made at once from the next time on, if it can be."""
        one = self._at_once_of(call)
        if one is not None:
            self._at_once[asked] = one

    def _at_once_of(self, call: PreparedCall) -> CallAtOnce | None:
        driver = self._driver
        if driver.survives or driver.control.records:
            return None
        return call_at_once(call, driver.transport, self._group.members, driver.buffers)

    def _remember(self, key: Hashable, call: PreparedCall) -> PreparedCall:
        if len(self._calls) >= REMEMBERED:
            self._calls.clear()
            self._at_once.clear()
        self._calls[key] = call
        return call

    def _make(
        self,
        call: PreparedCall,
        send: UserBuffer,
        recv: UserBuffer,
        async_op: bool,
        timeout: float | None,
    ) -> Work:
        number = self._group.next_call()
        one = execution(self._driver, call, self._group.members, number, send, recv)
        return self._go([one], async_op, timeout)

    def _messages(
        self, messages: Sequence[CheckedMessage], async_op: bool, timeout: float | None
    ) -> Work:
        asynchronous, time = flag(async_op, "async_op"), limit(timeout)
        return self._go([self._message(each) for each in messages], asynchronous, time)

    def _message(self, message: CheckedMessage) -> Execution:
        group, (src, dst, tag, send, recv) = self._group, message
        call = self._calls.get(message.kind)
        if call is None:
            call = self._remember(message.kind, message_call(message, self.rank))
        members = tuple(group.members[place] for place in dict.fromkeys((src, dst)))
        number = group.next_message(src, dst, tag)
        return execution(self._driver, call, members, number, send, recv)

    def _go_at_once(
        self, one: CallAtOnce, send: Bytes, recv: Bytes, timeout: float | None,
        then: Callable[[], None] | None = None,
    ) -> Work:  # fmt: skip
        limited = self._timeout if timeout is None else timeout
        number = self._driver.run_at_once(one, self._group.next_call, send, recv, limited, then)
        return Work(self._driver, over=(number,))

    def _go(self, executions: Sequence[Execution], async_op: bool, timeout: float | None) -> Work:
        if async_op:
            self._driver.start(executions)
            return Work(self._driver, *executions)
        self._driver.run(executions, self._timeout if timeout is None else timeout)
        return Work(self._driver, over=[each.tag for each in executions])


def _algorithm(op: str, name: str | None) -> str | None:
    if name is None:
        return None
    called = text(name, "algorithm", "the name of one, or None")
    lookup(op, called)
    return called
