"""Messages between a rank and the authority of its world, each a class of its own.

`ToAuthority` is what a rank sends, `ToRank` what comes back; a message with a ``token`` is answered
by the `Reply` with the same one. How they travel between processes follows from the types of their
fields (`fabric.world.wire`). To add a message: its class here and its place in these unions, who
sends it and who handles it (a rank's end is `fabric.world.rank_control`, the authority's is
`fabric.world.world`).

They are named tuples, which are made in a third of the time of frozen dataclasses: a call
takes microseconds. So two of different classes may be equal; it is the class that counts.

``op`` numbers a call, the same at all of its ranks. Seconds are of emulated time unless a field
says otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fabric.memory.places import MemoryPlace
from fabric.memory.words import WordAct
from fabric.schedule.plan import TimedRows


class MachineLabel(NamedTuple):
    """What times an operation: the emulated ``system`` and the ``software`` stack on it."""

    system: str
    software: str

    def __str__(self) -> str:
        return f"{self.system} with {self.software}"


class Advice(NamedTuple):
    """How to make a collective on the emulated machine.

    ``algorithm``: the fastest, or the one that was asked for; ``ranks_per_node``: what hierarchical
    ones group by; ``operation``: whose endpoint constants count, as in `Fabric.simulate`;
    ``machine``: what times it; None: no machine is emulated.
    """

    algorithm: str
    ranks_per_node: int
    operation: str
    machine: MachineLabel | None = None


# From a rank.


class Begin(NamedTuple):
    """The rank begins its part of a call.

    ``group``: the world ranks of the call's ranks, in their order. ``rows``: the rank's rows of the
    schedule, by its positions in the group. ``words``: what was called, such as
    ``"all_reduce(sum, float32[1024])"``; the same at all ranks of the call. ``operation``: whose
    endpoint constants count, as in `Fabric.simulate`. ``at``: on paced time, when. ``waits``:
    whether the rank's `Wait` for it follows at once, and is not sent by itself. ``times``: so many
    calls, alike but for their numbers, which follow each other; above 1 only of those that wait.
    """

    op: int
    group: tuple[int, ...]
    rows: TimedRows
    words: str
    operation: str
    at: float | None = None
    waits: bool = False
    times: int = 1


class Describe(NamedTuple):
    """What the rows of the rank's part of ``op`` follow from, where the run is recorded.

    Sent before the `Begin`. ``facts``: see `fabric.run_log.value.RunLog`.
    """

    op: int
    facts: Mapping[str, Any]


class Wait(NamedTuple):
    """From here on the rank's clock is at the end of its part of ``op`` or later."""

    op: int


class Compute(NamedTuple):
    """The rank computes: its clock moves on by so many seconds."""

    seconds: float


class Mark(NamedTuple):
    """A span of the rank begins here, called ``name``; None: it ends. For traces.

    ``span``: its number; ``at``: on paced time, when, in emulated seconds.
    """

    span: int
    name: str | None
    at: float | None = None


class Blocked(NamedTuple):
    """The rank waits for the bytes of ``op`` and does nothing else; None: it no longer does."""

    op: int | None


class Threads(NamedTuple):
    """Whether ``several`` threads of the rank make calls: then none of its waits is all it does.

    A rank sends it when that changes, and again before it says that it is `Blocked`.
    """

    several: bool


class Exchange(NamedTuple):
    """The rank's share of an exchange between all ranks, in JSON (in one process: any object).

    Answered with `Exchanged` when every rank's is there; a rank's shares are taken in order.
    """

    mine: Any


class AskTime(NamedTuple):
    """What is the rank's clock here? Answered with `TimeReply`."""

    token: int


class AskTimes(NamedTuple):
    """When did the rank's part of ``op``, for which it has waited, begin and end? `TimesReply`."""

    token: int
    op: int


class AskAdvice(NamedTuple):
    """How shall ranks ``group`` make a collective? Answered with `AdviceReply`.

    ``size``, ``itemsize``: in bytes, and with ``root`` as in `collectives.schedule`.
    ``algorithm``: the one that the program has asked for; None: the fastest.
    """

    token: int
    op: str
    group: tuple[int, ...]
    size: int
    itemsize: int
    root: int
    algorithm: str | None


class AskMachine(NamedTuple):
    """Which machine times ``operation``? Answered with `MachineReply`."""

    token: int
    operation: str


class Expose(NamedTuple):
    """The rank registers memory at ``place`` as its part of ``window``. Answered with `Exposed`.

    ``cpu``: whether it is memory of its node's CPU; ``name``: of the window, for errors;
    ``plane``: over which it is accessed, "" for those of the machine.
    """

    token: int
    window: int
    place: MemoryPlace
    cpu: bool
    name: str
    plane: str


class Withdraw(NamedTuple):
    """The rank's part of ``window`` is registered no more."""

    window: int


class Access(NamedTuple):
    """The rank reads or ``writes`` memory of rank ``target`` in ``window``, which makes no call.

    ``op``: as of a call. ``size``: bytes, in so many ``messages``; ``cpu``: whether the rank's own
    memory is its CPU's. ``act``: what is done to a word of the target when it is over; ``words``:
    what was called; ``at``: on paced time, when.
    """

    op: int
    window: int
    target: int
    writes: bool
    size: int
    messages: int
    cpu: bool
    act: WordAct | None
    words: str
    at: float | None = None


class FenceAccesses(NamedTuple):
    """Later accesses of the rank begin when its earlier ones to the same rank are over."""


class AskWord(NamedTuple):
    """What was the word before access ``op``, for which the rank has waited? `WordReply`."""

    token: int
    op: int


class AwaitWord(NamedTuple):
    """The rank waits until its word at byte ``where`` of ``window`` compares so with ``value``.

    Answered with `WordReply` then. ``comparison``: of `fabric.memory.words.COMPARISONS`; ``words``:
    what it waits for; ``at``: on paced time, when.
    """

    token: int
    window: int
    where: int
    comparison: str
    value: int
    words: str
    at: float | None = None


class Settle(NamedTuple):
    """Answered with `Settled` once all ranks have begun each call that this one waits for."""

    token: int


class Fail(NamedTuple):
    """The rank has raised: the exception's type, its text, whose fault it is.

    See `fabric.failure.report`.
    """

    kind: str
    message: str
    rank: int | None


class Leave(NamedTuple):
    """The rank's program has ended well: it makes no more calls."""


class Over(NamedTuple):
    """The rank's program has ended, while its process lives on; sent again and again.

    It makes no more calls, unless it shows otherwise by making one.
    """


# From a rank of a world that goes on after the loss of others.


class Completed(NamedTuple):
    """All bytes of the rank's part of ``op`` have moved. Answered with `Committed` or `Doomed`."""

    op: int


class Stopped(NamedTuple):
    """The rank has learned of a loss, in call ``op``: it takes no further part in calls below
    ``floor``.
    """  # noqa: D205

    op: int
    floor: int


class Agree(NamedTuple):
    """The rank wants to know which of ``group`` are left. Answered with `Agreed`.

    ``op``: the number of the agreement, the same at all of the group. ``at``: on paced time, when.
    ``places``: in the new group, of spares that are to join it; ascending.
    """

    op: int
    group: tuple[int, ...]
    at: float | None
    places: tuple[int, ...] = ()


class Idle(NamedTuple):
    """The rank is a spare, and waits until a group takes it in. Answered with `TakenIn`."""

    token: int


class Suspect(NamedTuple):
    """Messages from rank ``peer`` were lost on the way, for the reason ``why``."""

    peer: int
    why: str


Surviving = Completed | Stopped | Agree | Idle | Suspect
"""What ranks send only where the world goes on after a loss."""

FromRank = (
    Begin | Describe | Wait | Compute | Mark | Blocked | Threads | Exchange | AskTime | AskTimes
    | AskAdvice | AskMachine | Expose | Withdraw | Access | FenceAccesses | AskWord | AwaitWord
    | Settle | Fail | Leave | Over | Surviving
)  # fmt: skip
"""What `fabric.world.world.World` handles."""


# About frames that may have been lost where the connection of two ranks was cut.


class AskFrames(NamedTuple):
    """How many frames has rank ``peer`` sent to this one? Answered with `FramesReply`.

    ``question``: a number; one of each peer has one answer.
    """

    peer: int
    question: int


class FrameCount(NamedTuple):
    """The reply to `CountFrames`: so many ``frames`` were sent to rank ``asker``.

    ``question``: as there.
    """

    asker: int
    question: int
    frames: int


class FramesSent(NamedTuple):
    """How many frames the rank has sent to each rank, in order; sent before it leaves."""

    frames: tuple[int, ...]


FrameMessage = AskFrames | FrameCount | FramesSent
"""What `fabric.world.counts.Counts` handles."""


# About the connection of a process, and from the launcher of a node.


class Hello(NamedTuple):
    """The first message of a process.

    ``version``: of the protocol, `fabric.world.wire.VERSION`. ``token``: the world's secret.
    ``rank``: None for the launcher of a node. ``size``: of the world. ``pid``, ``born``: the
    process and when it began, see `fabric.host.liveness.birth`. ``host``: where it runs.
    Answered with `Welcome` or `Refused`.
    """

    version: int
    token: str
    rank: int | None
    size: int
    pid: int
    born: str
    host: str


class Beat(NamedTuple):
    """A sign of life; answered with `BeatReply`."""


class NodeRanks(NamedTuple):
    """The sender is the launcher of ranks ``first`` to ``end`` - 1."""

    first: int
    end: int


class Lost(NamedTuple):
    """A rank of the sender's node is gone, such as ``"was killed by SIGKILL"``."""

    rank: int
    cause: str


class Left(NamedTuple):
    """The process of a rank of the sender's node has ended well."""

    rank: int


FromNode = NodeRanks | Lost | Left
"""What only the launcher of a node sends."""

ToAuthority = FromRank | FrameMessage | FromNode | Hello | Beat


# To a rank.


class Exchanged(NamedTuple):
    """What every rank brought to an `Exchange`, in order of ranks."""

    values: Sequence[Any]


class TimeReply(NamedTuple):
    """The rank's clock when it asked, in emulated seconds."""

    token: int
    seconds: float


class TimesReply(NamedTuple):
    """When the rank's part of a call began and ended.

    None if it is not known, for the reason ``why``.
    """

    token: int
    begin: float | None
    end: float | None
    why: str = ""


class AdviceReply(NamedTuple):
    """How to make a collective; None if no machine is emulated."""

    token: int
    advice: Advice | None


class MachineReply(NamedTuple):
    """The machine that times an operation; None if no machine is emulated."""

    token: int
    machine: MachineLabel | None


class Exposed(NamedTuple):
    """The rank's memory is registered; ``why``: why it could not be, "" if it is.

    ``npu``, ``cpu``: whether the rank's own memory of these has a port on the window's plane.
    """

    token: int
    why: str
    npu: bool
    cpu: bool


class WordReply(NamedTuple):
    """A ``word`` of memory, 0 to 2^64 - 1, and the rank's clock then, in emulated seconds."""

    token: int
    word: int
    seconds: float


class Settled(NamedTuple):
    """All ranks have begun each call that the rank waits for."""

    token: int


class TakenIn(NamedTuple):
    """A spare is one of ``members``, a new group, from now on; none: nobody will need it.

    ``generation``: as in `Agreed`.
    """

    token: int
    members: tuple[int, ...]
    generation: int


Reply = (
    TimeReply | TimesReply | AdviceReply | MachineReply | Exposed | WordReply | Settled | TakenIn
)
"""Each to a question of the same ``token``."""


class Finish(NamedTuple):
    """On paced time: the rank's part of ``op`` ends at ``seconds``; sent again when that moves."""

    op: int
    seconds: float


class End(NamedTuple):
    """The world has ended with a `WorldError`, in the form of `fabric.failure.as_parts`.

    The last message.
    """

    kind: str
    message: str
    rank: int | None


class Acknowledged(NamedTuple):
    """So many more of the rank's messages have been handled."""

    messages: int


class Committed(NamedTuple):
    """Call ``op`` is over at all of its ranks."""

    op: int


class Doomed(NamedTuple):
    """Call ``op`` is over at none of its ranks, as rank ``rank`` is lost: in words, ``message``."""

    op: int
    message: str
    rank: int


class Gone(NamedTuple):
    """Rank ``rank`` is lost; ``message`` says why."""

    rank: int
    message: str


class Agreed(NamedTuple):
    """The ranks of agreement ``op`` that are left, in the order of its group.

    ``generation``: a number that no agreement has had before. ``joined``: spares that are among
    ``members``, at the places that were asked for.
    """

    op: int
    members: tuple[int, ...]
    generation: int
    joined: tuple[int, ...] = ()


FromWorld = Exchanged | Reply | Finish | End | Acknowledged | Committed | Doomed | Gone | Agreed
"""What `fabric.world.inbox.Inbox` takes."""


class CountFrames(NamedTuple):
    """How many frames has the rank sent to rank ``asker``? Answered with `FrameCount`."""

    asker: int
    question: int


class FramesReply(NamedTuple):
    """How many ``frames`` rank ``peer`` has sent, and whether it has ``left``.

    ``frames``: None if it has left without saying so.
    """

    peer: int
    question: int
    frames: int | None
    left: bool


FrameReply = CountFrames | FramesReply
"""About lost frames, to a rank's line."""


class Welcome(NamedTuple):
    """The process is a rank from now on, or the launcher of a node.

    ``settings``: of the world, see `Settings.from_json`. ``start``: the authority's monotonic
    clock, in seconds, when emulated time is 0. ``scale``: on paced time, wall seconds that an
    emulated second takes. ``pid``, ``host``: the authority's process.
    """

    settings: Mapping[str, Any]
    start: float
    scale: float | None
    pid: int
    host: str


class Refused(NamedTuple):
    """The process is not let in, for the reason ``why``."""

    why: str


class BeatReply(NamedTuple):
    """The authority's monotonic clock, in seconds."""

    wall: float


ToRank = FromWorld | FrameReply | Welcome | Refused | BeatReply
