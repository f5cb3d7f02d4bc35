"""`Config` and the buffer sizes of DeepEP's V1, by its formulas (csrc/legacy/config.hpp)."""

from dataclasses import dataclass, fields
from typing import Any

from collectives.adapters.token_arguments import MOST
from collectives.moe.tensors import TokenError, integer

NODE = 8
"""Ranks of a node in DeepEP's V1, ``LEGACY_NUM_MAX_NVL_PEERS``."""

_ALIGNMENT = 128
_TOP_K, _SCALES = 128, 128
_META, _CONTROL = 8, 16
_INT, _FLOAT, _INDEX, _BF16 = 4, 4, 8, 2

_RECOMMENDED = {
    "dispatch": (
        (2, (24, 256, 6, 128)), (8, (6, 256, 6, 128)), (16, (36, 288, 20, 128)),
        (64, (32, 288, 8, 128)), (96, (20, 480, 12, 128)), (128, (20, 560, 12, 128)),
        (144, (32, 720, 12, 128)), (None, (28, 720, 12, 128)),
    ),
    "combine": (
        (2, (10, 256, 6, 128)), (4, (9, 256, 6, 128)), (8, (4, 256, 6, 128)),
        (16, (4, 288, 12, 128)), (64, (1, 288, 8, 128)), (96, (1, 480, 8, 128)),
        (128, (1, 560, 8, 128)), (None, (2, 720, 8, 128)),
    ),
}  # fmt: skip
"""What DeepEP recommends up to so many ranks (deep_ep/buffers/legacy.py); the last for any more."""


@dataclass(frozen=True, slots=True)
class Config:
    """The chunk sizes of DeepEP's V1 kernels; here they only decide how large buffers have to be.

    Raises `TokenError` for values that DeepEP refuses.
    """

    num_sms: int = 20
    num_max_nvl_chunked_send_tokens: int = 6
    num_max_nvl_chunked_recv_tokens: int = 256
    num_max_rdma_chunked_send_tokens: int = 6
    num_max_rdma_chunked_recv_tokens: int = 256

    def __post_init__(self) -> None:
        for each in fields(self):
            least = 0 if each.name == "num_sms" else -MOST
            number = integer(getattr(self, each.name), each.name, least, MOST)
            object.__setattr__(self, each.name, number)
        nvl = self.num_max_nvl_chunked_send_tokens, self.num_max_nvl_chunked_recv_tokens
        if not 0 < nvl[0] < nvl[1]:
            raise TokenError(
                f"NVL chunks of {nvl[0]} to send and {nvl[1]} to receive: the first has to be 1 or"
                " more, and less than the second"
            )
        send, given = self.num_max_rdma_chunked_send_tokens, self.num_max_rdma_chunked_recv_tokens
        recv = _up(given, send) if send > 0 else given
        if not 0 < send <= recv // 2:
            raise TokenError(
                f"RDMA chunks of {send} to send and {given} to receive: the first has to be 1 or"
                " more, and at most half of the second"
            )
        object.__setattr__(self, "num_max_rdma_chunked_recv_tokens", recv)

    def get_nvl_buffer_size_hint(self, hidden_bytes: int, num_ranks: int) -> int:
        """The bytes that ``num_nvl_bytes`` should be for tokens of ``hidden_bytes`` bytes."""
        hidden_bytes = integer(hidden_bytes, "hidden_bytes", 0, MOST)
        nodes, inside = _domains(num_ranks)
        channels = self.num_sms // 2 * inside
        token = hidden_bytes + _META + _TOP_K * (_INDEX + _FLOAT) + _SCALES * _FLOAT
        size = channels * (2 * nodes + 3) * _INT
        return _up(size + channels * self.num_max_nvl_chunked_recv_tokens * token, _ALIGNMENT)

    def get_rdma_buffer_size_hint(self, hidden_bytes: int, num_ranks: int) -> int:
        """The bytes that ``num_rdma_bytes`` should be for tokens of ``hidden_bytes`` bytes.

        It is 0 within a node.
        """
        hidden_bytes = integer(hidden_bytes, "hidden_bytes", 0, MOST)
        nodes, _ = _domains(num_ranks)
        if nodes == 1:
            return 0
        channels = self.num_sms // 2 * nodes
        token = hidden_bytes + _META + _TOP_K * (_INDEX + _FLOAT) + _SCALES * _FLOAT + _CONTROL
        size = channels * (NODE * 2 + 2) * 2 * _INT
        return _up(size + channels * self.num_max_rdma_chunked_recv_tokens * token * 2, _ALIGNMENT)


def room(config: Any, ranks: int, nodes: bool, token: int, nvl: int, rdma: int) -> None:
    """Raise `TokenError` if buffers of ``nvl`` and ``rdma`` bytes are too small.

    ``nodes``: whether ``ranks`` span several nodes; ``token``: bytes of a token.
    """
    if not isinstance(config, Config):
        raise TokenError(f"config is a {type(config).__name__}; it has to be a Config or None")
    if config.num_sms % 2:
        raise TokenError(f"num_sms of the config is {config.num_sms}; it has to be even")
    channels = config.num_sms // 2
    takes = channels * min(ranks, NODE) * config.num_max_nvl_chunked_recv_tokens * token
    far = 0
    if nodes:
        most = config.num_max_rdma_chunked_recv_tokens
        far = 2 * channels * (ranks // NODE) * most * token
    for what, has, wanted in (("num_nvl_bytes", nvl, takes), ("num_rdma_bytes", rdma, far)):
        if has < wanted:
            raise TokenError(
                f"{what} is {has}; a token of {token} bytes and this config take {wanted}"
                f" or more, see Config.get_{what.split('_')[1]}_buffer_size_hint"
            )


def recommended(kind: str, num_ranks: int, num_sms: int) -> Config:
    """The `Config` for a "dispatch" or "combine" over ``num_ranks`` ranks; raises `TokenError`."""
    num_ranks = integer(num_ranks, "num_ranks", 1, MOST)
    for most, chunks in _RECOMMENDED[kind]:
        if most is None or num_ranks <= most:
            return Config(num_sms, *chunks)
    raise AssertionError("the last line is for any number")


def low_latency_size(
    num_max_dispatch_tokens_per_rank: int, hidden: int, num_ranks: int, num_experts: int
) -> int:
    """The bytes that ``num_rdma_bytes`` must be for the low-latency mode.

    DeepEP's ``LowLatencyLayout``. Raises `TokenError`.
    """
    most = "num_max_dispatch_tokens_per_rank"
    tokens = integer(num_max_dispatch_tokens_per_rank, most, 1, MOST)
    hidden, num_ranks = integer(hidden, "hidden", 1, MOST), integer(num_ranks, "num_ranks", 1, MOST)
    num_experts, scales = integer(num_experts, "num_experts", 1, MOST), hidden // 128
    dispatch = _CONTROL + max(hidden * _BF16, hidden + scales * _FLOAT)
    combine = scales * 2 * _BF16 + hidden * _BF16
    send = max(tokens * dispatch, num_experts * tokens * combine)
    recv = num_experts * tokens * max(dispatch, combine)
    size = 2 * (send + recv + _up(num_experts * _INT, _ALIGNMENT))
    return (size + _ALIGNMENT) // _ALIGNMENT * _ALIGNMENT


def _domains(num_ranks: int) -> tuple[int, int]:
    """How many nodes there are, and ranks in each; raises `TokenError`."""
    num_ranks = integer(num_ranks, "num_ranks", 1, MOST)
    if num_ranks > NODE and num_ranks % NODE == 0:
        return num_ranks // NODE, NODE
    return 1, num_ranks


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit
