"""How each software stack is modelled: which constants it has, which are fitted, and where from.

A recipe is a stack's structure. Constants that are `FIXED <Fixed>` or `Same` come from elsewhere,
with the reason; `Free` ones are fitted by `bench.validation.calibrate` to the stack's ``calibrate``
rows. A place is ``operation.constant`` (``operation.efficiency.plane``), operation "default" for
all that are not named.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from topology.units import GB, US

PS = 1e-12


@dataclass(frozen=True, slots=True)
class Fixed:
    """A constant that is known: ``value`` in SI, at every place, and why."""

    value: float
    why: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """A constant of another stack, at ``place`` there, taken over at every place here, and why."""

    stack: str
    place: str
    why: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Free:
    """A constant that is fitted: where the search begins (SI), and the places that share it.

    ``"2*PLACE"`` gets twice the value. Where a place has a known constant, this adds to it.
    """

    start: float
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One stack.

    ``system``: only rows of that system are fitted to, where it is given. ``small_bytes``: see
    `fabric.endpoint.costs.Endpoint.small`. ``others_free``: operations that are not named cost
    nothing.
    """

    name: str
    source: str
    planes: tuple[str, ...] | None = None
    known: tuple[Fixed | Same, ...] = ()
    free: tuple[Free, ...] = ()
    system: str | None = None
    small_bytes: int = 0
    others_free: bool = False


WRITE = "the write figure of Table 1: kernels move tokens by writes of the initiator"
HBM = "derived: in and out of HBM once, at 1.6 TB/s a die (arXiv 2506.12708v2 section 3.3)"
NIC = "46 to 49 GB/s of 50 are reached by a ConnectX-7 NDR port (nccl-tests issues)"
ACK = "derived: there and back, for an initiator that waits for the answer"


def _ends(*operations: str, constant: str) -> tuple[str, ...]:
    return tuple(f"{operation}.{constant}" for operation in operations)


def _direct(operation: str, launch: float, bandwidth: float) -> tuple[Free, ...]:
    """An own launch and an own bandwidth of a pair."""
    return (
        Free(launch, (f"{operation}.launch",)), Free(bandwidth, (f"{operation}.pair_bandwidth",)),
    )  # fmt: skip


PAIRS = ("read", "write", "read:cpu", "write:cpu")
"""One-sided operations of a die: on another die's memory, and on a CPU's."""

RAW = Recipe(
    "raw", "the wire, and one-sided UB access as arXiv 2506.12708v2 Table 1 has it; "
    "every collective is free", None,
    (Fixed(2.0, ACK, _ends(*PAIRS, constant="crossings")),),
    (
        *_direct("read", 0.8 * US, 165 * GB), *_direct("write", 0.95 * US, 136 * GB),
        *_direct("read:cpu", 0.6 * US, 149 * GB), *_direct("write:cpu", 0.75 * US, 108 * GB),
    ),
    system="cloudmatrix384", others_free=True,
)  # fmt: skip

CANN_EP = Recipe(
    "cann-ep", "CANN's FusedDispatch and FusedCombine (arXiv 2506.12708v2 section 4.2.1, Table 7)",
    ("package", "ub"),
    (
        Same("raw", "write.pair_bandwidth", WRITE,
             _ends("dispatch", "combine", constant="initiator_bandwidth")),
        Fixed(1.25 * PS, HBM, _ends("dispatch", "combine", constant="per_byte")),
    ),
    (
        Free(40 * US, ("dispatch.launch",)), Free(5 * US, ("dispatch.barrier",)),
        Free(20 * US, ("combine.launch",)),
    ),
)  # fmt: skip

_AS_CANN = "the same algorithm on the same hardware as cann-ep"

SGL = Recipe(
    "sgl-kernel-npu", "sgl-project/sgl-kernel-npu README: DeepEP's interface on Ascend",
    ("package", "ub"),
    (
        Same("raw", "write.pair_bandwidth", WRITE,
             _ends("dispatch", "combine", "dispatch:normal", constant="initiator_bandwidth")),
        Fixed(1.25 * PS, HBM, _ends("dispatch", "combine", constant="per_byte")),
        Same("cann-ep", "dispatch.launch", _AS_CANN, ("dispatch.launch",)),
        Same("cann-ep", "dispatch.barrier", _AS_CANN, ("dispatch.barrier",)),
        Same("cann-ep", "combine.launch", _AS_CANN, ("combine.launch",)),
    ),
    (
        Free(10 * US, ("dispatch.launch", "combine.launch")),
        Free(17 * US, ("dispatch:normal.per_peer",)),
        Free(90 * GB, ("combine:normal.initiator_bandwidth",)),
    ),
)  # fmt: skip

DEEPEP_FIRST = Recipe(
    "deepep-2025-02", "DeepEP's first release: low latency over RDMA alone (README @ebfe47e)",
    ("rdma",),
    (Fixed(0.95, NIC, _ends("dispatch", "combine", constant="efficiency.rdma")),),
    (Free(20 * US, ("dispatch.launch",)), Free(30 * US, ("combine.launch",))),
)  # fmt: skip

_V1 = ("dispatch", "combine", "dispatch:normal", "combine:normal")

DEEPEP_V1 = Recipe(
    "deepep-v1", "DeepEP V1, over NVLink within a node (docs/legacy.md)", ("nvlink", "rdma"),
    (
        Fixed(0.95, NIC, _ends(*_V1, constant="efficiency.rdma")),
        Fixed(0.8, "DeepEP's README: about 160 GB/s of H800's 200 are usable",
              _ends("dispatch", "combine", constant="efficiency.nvlink")),
    ),
    (
        Free(30 * US, ("dispatch.launch", "combine.launch")),
        Free(0.67, _ends("dispatch:normal", "combine:normal", constant="efficiency.nvlink")),
    ),
)  # fmt: skip

_HCCL_SMALL = ("all_gather:small.launch", "reduce_scatter:small.launch", "default:small.launch",
               "2*all_reduce:small.launch")  # fmt: skip

HCCL = Recipe(
    "hccl", "HCCL on Atlas 800 A3, CANN 8.5 (msModeling's alignment report)", ("package", "ub"),
    (),
    (
        Free(20 * US, ("all_gather.barrier", "reduce_scatter.barrier", "default.barrier",
                       "2*all_reduce.barrier")),
        Free(1 * PS, _ends("reduce_scatter", "all_reduce", "default",
                           constant="per_reduced_byte")),
        Free(5 * US, _HCCL_SMALL),
        Free(154 * GB, tuple(
            place.removeprefix("2*").replace("launch", "initiator_bandwidth")
            for place in _HCCL_SMALL
        )),
    ),
    small_bytes=512 * 1024,
)  # fmt: skip

NCCL = Recipe(
    "nccl", "NCCL over NVLink (NVIDIA/nccl-tests#309)", ("nvlink", "rdma"),
    (), (Free(0.82, ("default.efficiency.nvlink",)),),
)  # fmt: skip

_BLOCKS = "hicann/hixl benchmarks/performance_en.md: one die pair, 128 MiB in blocks"


def _paths(*bandwidths: float) -> tuple[Free, ...]:
    return tuple(
        Free(bandwidth * GB, (f"{pair}.pair_bandwidth",))
        for pair, bandwidth in zip(PAIRS, bandwidths, strict=True)
    )


AICPU = Recipe(
    "hixl-fabricmem-aicpu",
    f"{_BLOCKS}; one copy after the other",
    ("package", "ub"),
    (),
    (Free(3.7 * US, _ends(*PAIRS, constant="per_message")), *_paths(160, 136, 110, 66)),
)

STREAMS = Recipe(
    "hixl-fabricmem-host-4-streams", f"{_BLOCKS}; four streams keep copies in flight",
    ("package", "ub"), (),
    (Free(5.7 * US, _ends(*PAIRS, constant="message_gap")), *_paths(149, 120, 103, 62.6)),
)  # fmt: skip

COMMDOMAIN = Recipe(
    "hixl-hccs-commdomain", f"{_BLOCKS}; one copy after the other", ("package", "ub"),
    tuple(
        Same("hixl-fabricmem-aicpu", f"{way}:cpu.pair_bandwidth", "the CPU's memory sets it",
             (f"{way}:cpu.pair_bandwidth",))
        for way in ("read", "write")
    ),
    tuple(
        free for way, time, bandwidth in (("read", 3.1, 140), ("write", 4.6, 105)) for free in (
            Free(time * US, _ends(way, f"{way}:cpu", constant="per_message")),
            Free(bandwidth * GB, (f"{way}.pair_bandwidth",)),
        )
    ),
)  # fmt: skip

ROCE = Recipe(
    "hixl-roce", f"{_BLOCKS}; the NIC keeps messages in flight", ("rdma",), (),
    (
        Free(0.9 * US, ("default.message_gap",)), Free(0.95, ("default.efficiency.rdma",)),
    ),
)  # fmt: skip

MOONCAKE = Recipe(
    "mooncake", "Mooncake's vLLM connector, prefill to decode over 8 NICs (vllm-v1-pd-performance)",
    ("rdma",), (),
    (Free(400 * US, ("kv_transfer.launch",)), Free(18 * GB, ("kv_transfer.initiator_bandwidth",))),
)  # fmt: skip

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        RAW, CANN_EP, SGL, DEEPEP_FIRST, DEEPEP_V1, HCCL, NCCL, AICPU, STREAMS, COMMDOMAIN, ROCE,
        MOONCAKE,
    )
}  # fmt: skip
"""Every stack by name, those first that others take constants from."""
