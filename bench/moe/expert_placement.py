"""``bench moe --expert-placement``: each operation once for each way to place its experts."""

from collections.abc import Sequence
from dataclasses import replace

import click

from bench.cases.moe import Experts
from bench.cases.placed_experts import PLACEMENTS, PlacedExperts, placed_experts
from fabric.fabric import Fabric


class PlacementList(click.ParamType[tuple[str, ...]]):
    """Names of `PLACEMENTS` with commas between them, each once."""

    name = "placements"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """``value`` as names in the order in which they are written; click reports others."""
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",")]
        for name in names:
            if name not in PLACEMENTS:
                known = ", ".join(PLACEMENTS)
                self.fail(f"{name!r:.60} is no expert placement; there are {known}", param, ctx)
        return tuple(dict.fromkeys(names))


def check_placements(names: Sequence[str], redundant: int, transport: str) -> None:
    """Raise `click.UsageError` for placements of experts where nothing can be done with them."""
    if names and transport != "sim":
        raise click.UsageError(
            f"--expert-placement is of a simulation, and does not go with --transport {transport}"
        )
    if redundant and not {"eplb", "topology"} & set(names):
        raise click.UsageError("--redundant goes with --expert-placement eplb or topology")


def with_placements(
    works: Sequence[Experts], fabric: Fabric, names: Sequence[str], redundant: int
) -> list[Experts]:
    """The operations, each once for each of the ``names``; as they are where there are none."""
    if not names:
        return list(works)
    found: list[Experts] = []
    known: dict[tuple[str, int], PlacedExperts] = {}
    for name in names:
        for work in works:
            asked = work.asked_routing()
            key = (name, id(asked))  # dispatch and combine are of one routing
            if key not in known:
                known[key] = placed_experts(name, asked, fabric, redundant)
            found.append(replace(work, placed=known[key]))
    return found
