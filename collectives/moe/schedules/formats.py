"""How many bytes a message has, and where each lies in the buffers of its sender and receiver."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from collectives.moe.routing.routing import Copies, Ints, Routing, RoutingError, pairs, starts
from fabric.endpoint.records import is_file, record_of, stacks
from topology.arguments import shown, whole
from topology.errors import TriplaneError

SCALE = 4
"""Bytes of a quantisation scale: float32 in every software here."""


class FormatError(TriplaneError):
    """A message format is unknown, or does not fit the hidden size."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a token is written as a message.

    ``width``: bytes of a channel; ``header``: bytes before them; ``scales``: scales of the whole
    token; ``block``: channels that share one further scale, or None; ``align``: bytes that the
    message is padded to a multiple of.
    """

    width: int
    header: int = 0
    scales: int = 0
    block: int | None = None
    align: int = 1

    def size(self, hidden: int) -> int:
        """The bytes of a token of ``hidden`` channels.

        Raises `FormatError` for channels that do not fit.
        """
        if hidden < 1 or (self.block and hidden % self.block):
            raise FormatError(
                f"hidden is {hidden} channels; it has to be a multiple of {self.block or 1}"
            )
        scales = self.scales + (hidden // self.block if self.block else 0)
        size = self.header + self.width * hidden + SCALE * scales
        return -(-size // self.align) * self.align


BF16 = Format(width=2)
"""Bare bfloat16: 14,336 B at hidden 7168. What combine returns in every software here."""

CANN_INT8 = Format(width=1, scales=1, align=512)
"""INT8 with a scale a token, padded to 512 B: 7,680 B (7.5 KiB) at 7168; arXiv:2506.12708 4.2.1."""

DEEPEP_FP8 = Format(width=1, header=16, block=128)
"""DeepEP low latency: source index (int4), channels, a scale per 128: 7,408 B at 7168.

csrc/kernels/internode_ll.cu, ``num_bytes_per_msg``.
"""

DEEPEP_BF16 = Format(width=2, header=16)
"""DeepEP low latency without quantisation: 14,352 B at 7168; the same line of its source."""

BLOCK_FP8 = Format(width=1, block=128)
"""FP8 with a scale per 128 channels and no header: 7,392 B at 7168.

What DeepEP's benchmarks of the normal mode count for a token: tests/test_internode.py,
``fp8_factor = (1 + 4 / 128) / 2`` of bfloat16. Its true RDMA message carries 8 B of source and
8 B a choice more (internode.cu, ``get_num_bytes_per_rdma_token``), 1% at top-8.
"""

TOKEN_INT8 = Format(width=1, scales=1)
"""INT8 with a scale a token and no padding: 7,172 B at 7168."""

FORMATS: dict[tuple[str, str], dict[str, Format]] = {
    ("low-latency", "cann"): {"int8": CANN_INT8, "bf16": BF16},
    ("low-latency", "deepep"): {"fp8": DEEPEP_FP8, "bf16": DEEPEP_BF16},
    ("low-latency", "raw"): {"int8": TOKEN_INT8, "fp8": BLOCK_FP8, "bf16": BF16},
    ("normal", "cann"): {"int8": CANN_INT8, "bf16": BF16},
    ("normal", "deepep"): {"fp8": BLOCK_FP8, "bf16": BF16},
    ("normal", "raw"): {"int8": TOKEN_INT8, "fp8": BLOCK_FP8, "bf16": BF16},
}
"""Dispatch messages: (mode, family of formats) -> dtype -> format. The record of a software stack
(`fabric.endpoint.records.Stack.messages`) names the family of its messages."""


def dispatch_format(software: str, dtype: str, mode: str = "low-latency") -> Format:
    """The format in which ``software`` sends a dispatched token of ``dtype``.

    ``software``: a stack (``cann-ep``, ``deepep-v1``, ...) or a family; ``dtype``: ``int8``,
    ``fp8`` or ``bf16``; ``mode``: ``low-latency`` or ``normal``. Raises `FormatError`.
    """
    is_stack = software in stacks() or is_file(software)
    family = record_of(software).messages if is_stack else software
    formats = FORMATS.get((mode, family))
    if formats is None:
        known = ", ".join(sorted({f"{name} {mode}" for mode, name in FORMATS}))
        raise FormatError(f"no message format of {software!r} in mode {mode!r}; known: {known}")
    if dtype not in formats:
        raise FormatError(f"{software} does not dispatch {dtype!r}; it does {', '.join(formats)}")
    return formats[dtype]


def dispatch_size(hidden: int, software: str, dtype: str, mode: str = "low-latency") -> int:
    """The bytes of a dispatched token; arguments and errors as in `dispatch_format`."""
    return dispatch_format(software, dtype, mode).size(hidden)


def combine_size(hidden: int) -> int:
    """The bytes of a token's result in bfloat16 (14 KiB at 7168 channels); raises `FormatError`."""
    return BF16.size(hidden)


class Buffers(NamedTuple):
    """Bytes that every rank needs in its buffers: int64 ``[ranks]`` each."""

    send: Ints
    recv: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where every copy of a token lies, in messages, when both ends are packed without gaps.

    The sender packs by (dst, token), the receiver by (src, token): an all-to-all-v. ``src``,
    ``token``, ``dst``, ``send_at``, ``recv_at``: int64, one entry a copy, by (src, token, dst);
    ``counts``: ``[src, dst]``. Destinations are ranks or nodes.
    """

    src: Ints
    token: Ints
    dst: Ints
    send_at: Ints
    recv_at: Ints
    counts: Ints

    def packing(self, src: int) -> Ints:
        """The tokens of rank ``src`` in the order of packing: ``packed = x[layout.packing(src)]``.

        On the way back, where ``packed`` holds results: ``np.add.at(y, layout.packing(src),
        packed)``.
        """
        mine = self._of(src)
        order: Ints = np.empty(mine.stop - mine.start, np.int64)
        order[self.send_at[mine]] = self.token[mine]
        return order

    def _of(self, src: int) -> slice:
        ends = self.counts.sum(axis=1).cumsum()
        return slice(int(ends[src] - self.counts[src].sum()), int(ends[src]))


def rank_layout(routing: Routing) -> Layout:
    """The layout of the normal mode: a token once for every rank that hosts one of its experts."""
    return _layout(routing.copies, routing.ranks, routing.ranks)


def node_layout(routing: Routing, ranks_per_node: int) -> Layout:
    """The layout of the two-level mode: a token once for every node, its own included.

    Raises `RoutingError` if nodes would not be full.
    """
    nodes = routing.nodes(ranks_per_node)
    return _layout(routing.node_copies(ranks_per_node), routing.ranks, nodes)


def _layout(copies: Copies, ranks: int, places: int) -> Layout:
    src, token, dst, position = copies
    counts = pairs(src, dst, (ranks, places))
    send_at = starts(counts, 1)[src, dst] + position
    recv_at = starts(counts, 0)[src, dst] + position
    return Layout(src, token, dst, send_at, recv_at, counts)


MAX_MESSAGE = 1 << 32
"""Bytes: beyond this, offsets of a rank's tokens would not fit in int64."""


def check_size(message_size: int) -> None:
    """Raise `RoutingError` unless a message has 1 to `MAX_MESSAGE` bytes."""
    size = whole(message_size)
    if size is None or not 1 <= size <= MAX_MESSAGE:
        raise RoutingError(
            f"a message of {shown(message_size)} bytes; it has to have 1 to {MAX_MESSAGE}"
        )


def message_given(message: object, hidden: int) -> "Format | None":
    """The user's ``message``, a format or None, checked; raises `FormatError` for anything else."""
    if message is None:
        return None
    if not isinstance(message, Format):
        raise FormatError(f"message is a {type(message).__name__}; it has to be a Format or None")
    check_size(message.size(hidden))
    return message
