"""A schedule and the network that it is for as a case of ns-3-UB: a folder of six files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from bench.machine import BenchError
from bench.machine_options import machine_of
from collectives.workloads.ns3_ub import pairs_of, write_traffic
from fabric.schedule.step import Step
from topology.formats.ns3_ub import is_case
from topology.formats.ns3_ub_write import ub_network, write_network

TRAFFIC = "traffic.csv"


def check_folder(path: Path) -> None:
    """Raise `click.UsageError` if something else than a case is there, which it would mix with."""
    if path.exists() and not is_case(path) and (not path.is_dir() or any(path.iterdir())):
        raise click.UsageError(f"--output is {str(path)!r}, where something else than a case is")


def write_case(
    folder: Path, steps: Sequence[Step], ranks: int, machine: Mapping[str, str | None]
) -> None:  # fmt: skip
    """Write the case of ``steps`` between ``ranks`` of a machine into ``folder``.

    ``machine``: the options --machine (``machine_file``), --system and --planes.
    """
    given = {name: machine[name] for name in ("system", "planes")}
    fabric = machine_of(machine["machine_file"], given).build()
    if ranks > len(fabric.places):
        raise BenchError(
            f"{fabric.topology.name} has places for {len(fabric.places)} ranks, not {ranks}"
        )
    places = fabric.places[:ranks].tolist()
    pairs = {(places[a], places[b]) for step in steps for a, b, _ in pairs_of(step, ranks)}
    network = ub_network(fabric.topology, fabric.router.planes)
    write_network(folder, network, pairs)
    write_traffic(folder / TRAFFIC, steps, [network.of_endpoint[place] for place in places])
