"""One schedule through SimGrid, on a star of equal ports: the worker of speed.py's comparison.

Reads JSON from stdin: ``ranks``, ``bandwidth`` (bytes per second), ``latency`` (seconds end to
end) and ``steps``, each a list of [src, dst, bytes]. Writes JSON: ``version``, ``simulated`` (the
time), ``wall`` and ``cpu`` (of this process), all in seconds. A process of its own because
SimGrid's engine exists once a process; it needs nothing but the ``simgrid`` package, 4.x or 3.32.

SimGrid is set to the ideal fabric: no TCP window, no cross-traffic of acknowledgements, and times
told apart down to 1e-12 s (its default merges all events of one nanosecond).
"""

import json
import sys
import time
from typing import Any

import simgrid

SETTINGS = (
    "network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0",
    "precision/timing:1e-12", "contexts/stack-size:64",
)  # fmt: skip


def main() -> None:
    """Time one schedule."""
    job = json.load(sys.stdin)
    wall, cpu = time.perf_counter(), time.process_time()
    options = [f"--cfg={setting}" for setting in SETTINGS]
    engine = simgrid.Engine(["simgrid_star", *options, "--log=root.thres:error"])
    hosts = _star(engine, job["ranks"], job["bandwidth"], job["latency"])
    if len(job["steps"]) == 1:
        _actor(engine, "all", hosts[0], _at_once, hosts, job["steps"][0])
    else:
        for rank, turns in enumerate(_by_rank(job["ranks"], job["steps"])):
            _actor(engine, f"rank{rank}", hosts[rank], _in_turn, turns)
    engine.run()
    answer = {
        "version": simgrid.simgrid_version,
        "simulated": engine.clock,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _star(engine: Any, ranks: int, bandwidth: float, latency: float) -> list[Any]:
    new = hasattr(simgrid.NetZone, "add_netzone_star")  # since 4.1
    zone = (
        engine.netzone_root.add_netzone_star("star")
        if new
        else simgrid.NetZone.create_star_zone("star")
    )
    hosts = []
    for rank in range(ranks):
        add_host = zone.add_host if new else zone.create_host
        add_link = zone.add_split_duplex_link if new else zone.create_split_duplex_link
        host = add_host(f"host{rank}", 1e9).seal()
        link = add_link(f"port{rank}", bandwidth).set_latency(latency / 2).seal()
        way = simgrid.LinkInRoute(link, simgrid.LinkInRoute.Direction.UP)
        if new:
            zone.add_route(host, None, [way], True)
        else:
            zone.add_route(host.netpoint, None, None, None, [way], True)
        hosts.append(host)
    zone.seal()
    return hosts


def _actor(engine: Any, name: str, host: Any, run: Any, *arguments: Any) -> None:
    if hasattr(host, "add_actor"):
        host.add_actor(name, run, *arguments)
    else:
        simgrid.Actor.create(name, host, run, *arguments)


def _at_once(hosts: list[Any], rows: list[list[int]]) -> None:
    """One step: everything starts at time 0, and there is nobody to wait for."""
    under_way = [simgrid.Comm.sendto_async(hosts[a], hosts[b], size) for a, b, size in rows]
    for comm in under_way:
        comm.wait()


def _by_rank(ranks: int, steps: list[list[list[int]]]) -> list[list[list[tuple[str, int]]]]:
    """Each rank's steps: mailboxes with the bytes to put in them, or -1 to get from them."""
    turns: list[list[list[tuple[str, int]]]] = [[] for _ in range(ranks)]
    for rows in steps:
        mine: dict[int, list[tuple[str, int]]] = {}
        for src, dst, size in rows:
            mine.setdefault(src, []).append((f"{src} {dst}", size))
            mine.setdefault(dst, []).append((f"{src} {dst}", -1))
        for rank, turn in mine.items():
            turns[rank].append(turn)
    return turns


def _in_turn(turns: list[list[tuple[str, int]]]) -> None:
    """A rank: all of a step is begun together, and waited for before the next."""
    for turn in turns:
        boxes = [(simgrid.Mailbox.by_name(name), size) for name, size in turn]
        under_way = [
            box.get_async() if size < 0 else box.put_async(name, size)
            for (box, size), (name, _) in zip(boxes, turn, strict=True)
        ]
        for comm in under_way:
            comm.wait()


main()
