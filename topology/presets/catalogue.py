"""The systems that have a name: presets, shapes with a size, and files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from topology.errors import TopologyError
from topology.formats.toml import load
from topology.graph import Topology
from topology.names import near
from topology.presets.cloudmatrix import cloudmatrix384, supernode
from topology.presets.nvidia import NODES, dgx_h100, dgx_h800
from topology.presets.shapes import fat_tree, ring, star


@dataclass(frozen=True, slots=True)
class _Named:
    """How to make a system.

    ``sized``: what its size counts, where it takes one; ``most``: the largest.
    """

    make: Callable[[int], Topology]
    about: str
    sized: str = ""
    size: int = 0
    optional: bool = True
    most: int = 1 << 17


def system(name: str | Path) -> Topology:
    """The topology called ``name``: a preset of `systems`, or the TOML file at that path.

    Some presets take a size: ``"star:8"``, ``"dgx_h800:16"``. A text that contains a folder
    separator or ends in ``.toml`` is a path. Raises `TopologyError` with the choices.
    """
    text = str(name)
    if isinstance(name, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return load(text)
    known = _known()
    stem, colon, size = text.partition(":")
    if stem not in known:
        raise TopologyError(
            f"no system {text!r}; there are {', '.join(systems())}, or a TOML file's path"
            f"{near(stem, known)}"
        )
    return known[stem].make(_size(stem, known[stem], size if colon else None))


def systems() -> dict[str, str]:
    """One line about each preset, by the name that `system` takes; sizes in names are examples."""
    return {
        name if how.optional else f"{name}:{how.size}": how.about
        + (f" ({name}:{how.sized})" if how.sized else "")
        for name, how in _known().items()
    }


def _size(name: str, how: _Named, size: str | None) -> int:
    if size is None and how.optional:
        return how.size
    if size is None:
        raise TopologyError(f"{name!r} needs a size: {name}:{how.sized}, such as {name}:{how.size}")
    if not how.sized:
        raise TopologyError(f"system {name!r} takes no size, {size!r} is given")
    if not (size.isascii() and size.isdigit()):
        raise TopologyError(f"system {name!r}: {how.sized} is {size!r}, not a whole number")
    if len(size) > 18 or int(size) > how.most:
        raise TopologyError(f"system {name!r}: {how.sized} is {size:.20}; at most {how.most}")
    return int(size)


def _known() -> dict[str, _Named]:
    h800 = _Named(dgx_h800, "H800 servers: NVLink 200 GB/s, RoCE 400 Gbit/s a GPU", "NODES", NODES)
    h100 = _Named(
        dgx_h100, "H100 servers: NVLink 450 GB/s, InfiniBand 400 Gbit/s a GPU", "NODES", NODES
    )
    return {
        "cloudmatrix384": _Named(
            lambda _: cloudmatrix384(), "48 nodes, 384 NPUs (768 dies): UB, RDMA and VPC planes"
        ),
        **{f"cloudmatrix{npus}": _logical(npus) for npus in (352, 288, 256, 192)},
        "supernode": _Named(supernode, "CloudMatrix384's wiring, any size", "NPUS", 8192, False),
        "h800": h800,
        "h100": h100,
        "dgx_h800": h800,
        "dgx_h100": h100,
        "star": _Named(star, "N hosts on one switch: the ideal fabric", "N", 8, False),
        "ring": _Named(ring, "N hosts with a router each, in a ring", "N", 8, False),
        "fat_tree": _Named(
            fat_tree, "fat tree of three tiers, K^3/4 hosts", "K", 4, False, most=128
        ),
    }


def _logical(npus: int) -> _Named:
    about = f"CloudMatrix384's logical supernode of {npus} NPUs ({npus // 8} nodes)"
    return _Named(lambda _: supernode(npus, name=f"cloudmatrix{npus}"), about)
