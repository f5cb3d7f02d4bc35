"""``bench pool``: hit rates and latencies of a pool on an emulated machine, UB beside VPC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import click

from bench import sensitivity, workload_standing
from bench.background import lines as lines_beside
from bench.background_option import background_option, check_alone
from bench.machine_options import machine_options
from bench.numbers import Positive
from bench.options import (
    Names,
    answer_options,
    gathered,
    parse_bytes,
    parse_size,
    sensitivity_option,
)
from bench.pool import published
from bench.pool.run import PoolRun
from bench.published.standing import lines, together
from bench.records import Record, as_text, opened, progress
from bench.streams import put
from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.eviction import eviction_policy
from collectives.memory.pool.core.tiers import StoreShape, tiers_of
from collectives.memory.pool.emulated.replay import BlockShape
from collectives.memory.pool.emulated.requests import (
    TRACE_BLOCK,
    CacheRequest,
    ChatLoad,
    read_requests,
)
from collectives.memory.pool.emulated.ways import POOL_PLANES, PoolWays
from collectives.workloads.background.streams import Background
from fabric.machine import MachineSpec
from topology.presets.catalogue import short_name

MLA_TOKEN = 70272
"""Bytes of KV a token of DeepSeek-V3 and R1: 576 values of 2 bytes in each of 61 layers."""


@dataclass(frozen=True)
class PoolOptions:
    """What the pool is made of, and who uses it; sizes in bytes, of a node."""

    policies: tuple[str, ...] = ("lru", "lfu")
    nodes: int = 32
    clients: int = 16
    dram: int = 1 << 29
    ssd: int = 0
    object_storage: int = 0
    token_bytes: int = MLA_TOKEN
    pieces: int = 1


pool_options = gathered(
    "pool",
    PoolOptions,
    click.option("--policy", "policies", type=Names(), metavar="NAMES",
                 help="Eviction policies: lru, lfu or MODULE:ATTRIBUTE; several with commas"
                      " [lru,lfu]."),
    click.option("--nodes", type=click.IntRange(1, 1 << 16), metavar="N",
                 help="Nodes whose DRAM is pooled; each CPU socket is a server [32]."),
    click.option("--clients", type=click.IntRange(1, 1 << 20), metavar="N",
                 help="Dies that take requests in turn, spread over the same nodes [16]."),
    click.option("--dram", type=parse_bytes, metavar="SIZE", help="DRAM of a node [512M]."),
    click.option("--ssd", type=parse_size, metavar="SIZE", help="SSDs of a node, below DRAM [0]."),
    click.option("--object", "object_storage", type=parse_size, metavar="SIZE",
                 help="Object storage that a node uses, below all [0]."),
    click.option("--token-bytes", type=click.IntRange(1, 1 << 30), metavar="N",
                 help="KV of a token [70272: DeepSeek-V3]."),
    click.option("--pieces", type=click.IntRange(1, 1 << 20), metavar="N",
                 help="Parts of a block that lie apart in NPU memory, a copy each [1]."),
)  # fmt: skip
"""Adds what the pool is made of, which the command gets as ``pool``, a `PoolOptions`."""

chat_options = gathered(
    "chats",
    ChatLoad,
    click.option("--requests", type=int, metavar="N", help="Requests that are generated [300]."),
    click.option("--rate", type=Positive(), metavar="N", help="New chats a second [4]."),
    click.option("--prompts", type=int, metavar="N", help="Different system prompts [50]."),
    click.option("--zipf", type=float, metavar="S",
                 help="How unlike their popularity is: prompt n has n to the -S [1.1]."),
    click.option("--shared", type=int, metavar="N",
                 help="Tokens of a system prompt [2048]."),
    click.option("--question", type=int, metavar="N", help="Tokens of one on average [256]."),
    click.option("--answer", type=int, metavar="N", help="Tokens of one on average [384]."),
    click.option("--turns", type=float, metavar="N", help="Of a chat on average [5]."),
    click.option("--pause", type=float, metavar="SECONDS", help="Between turns, on average [20]."),
    click.option("--block", type=int, metavar="TOKENS", help="Of a block, 128 to 512 [256]."),
    click.option("--seed", type=click.IntRange(0, (1 << 53) - 1), metavar="N", help="[0]"),
)  # fmt: skip
"""Adds what chats are generated, which the command gets as ``chats``, a `ChatLoad`."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--requests-file", "file", metavar="FILE",
              help="Requests in Mooncake's trace format instead of generated ones.")  # fmt: skip
@click.option("--faster", type=Positive(), default=1.0, show_default=True, metavar="N",
              help="Let requests arrive so many times as fast.")  # fmt: skip
@chat_options
@pool_options
@click.option("--published", "of_paper", is_flag=True,
              help="No replay, but what is published of pools, beside the model.")  # fmt: skip
@sensitivity_option
@background_option
@machine_options
@answer_options
def command(
    file: str | None, faster: float, chats: ChatLoad, pool: PoolOptions, of_paper: bool,
    what_matters: bool, background: tuple[Background, ...], machine: MachineSpec, form: str,
    output: Path | None,
) -> None:  # fmt: skip
    """Hit rates of eviction policies, and how long blocks take, over UB and over VPC.

    Each request reads the blocks of its prompt that the pool has, and writes the others. --planes
    chooses among ub and vpc.
    """
    check_alone(background, {"--published": of_paper, "--sensitivity": what_matters})
    if of_paper and what_matters:
        raise click.UsageError("--sensitivity replays anew; it does not go with --published")
    if of_paper:
        _write_published(machine, form, output)
        return
    planes = machine.planes or POOL_PLANES
    for name in planes:
        if name not in POOL_PLANES:
            raise click.UsageError(f"no pool over plane {name!r}; --planes takes ub, vpc or both")
    block = BlockShape(chats.block, chats.block * pool.token_bytes, pool.pieces)
    if file is not None:
        block = BlockShape(TRACE_BLOCK, TRACE_BLOCK * pool.token_bytes, pool.pieces)
    for name in pool.policies:
        eviction_policy(name)
    requests = chats.generate() if file is None else read_requests(file)
    requests = [replace(one, time=one.time / faster) for one in requests]
    runs = list(_runs(machine, pool, block, requests, planes, background))
    rows = [*progress((run.record() for run in runs), "pool", len(runs))]
    moving = (run.answer(row) for run, row in zip(runs, rows, strict=True) if what_matters)
    moved = [*progress(moving, "sensitivity", len(runs))]
    name = short_name(machine.system)
    stands = [[*workload_standing.of_ways(run.ways, block, name)] for run in runs]
    with opened(output) as where:
        if form == "table":
            put(where, _head(machine, pool, block, rows[0], file))
            where.write(as_text([_shown(row) for row in rows], form))
            put(where, *(
                f"# {row['plane']} {row['policy']} {line}"
                for row in rows for line in lines_beside(row, "us in the mean, alone")
            ))  # fmt: skip
            put(where, *(f"# {line}" for line in lines(one for each in stands for one in each)))
            where.write(sensitivity.text(moved))
        else:
            whole = [{**row, **together(each)} for row, each in zip(rows, stands, strict=True)]
            shown = sensitivity.records(moved) if what_matters else whole
            where.write(as_text(shown, form, machine))


def _write_published(machine: MachineSpec, form: str, output: Path | None) -> None:
    rows = published.records(machine)
    is_table = form == "table"
    with opened(output) as where:
        shown = [published.shown(row) for row in rows] if is_table else rows
        where.write(as_text(shown, form, machine))
        if is_table:
            put(where, *(f"# {line}" for line in published.notes(rows)))


def _runs(
    machine: MachineSpec, pool: PoolOptions, block: BlockShape, requests: Sequence[CacheRequest],
    planes: Sequence[str], streams: Sequence[Background],
) -> Iterator[PoolRun]:  # fmt: skip
    """Iterate over the runs of each plane, one a policy."""
    for plane in planes:
        ways = PoolWays(machine.changed(planes=None), plane, pool.clients, pool.nodes)
        shape = _shape(pool, block, len(ways.servers) // pool.nodes)
        for policy in pool.policies:
            yield PoolRun(ways, policy, requests, shape, block, streams)


def _shape(pool: PoolOptions, block: BlockShape, sockets: int) -> StoreShape:
    """What a server, a CPU socket, has: its part of the node's, in whole blocks."""
    sizes = {"dram": pool.dram, "ssd": pool.ssd, "object": pool.object_storage}
    if pool.dram // sockets < block.bytes:
        raise PoolError(
            f"DRAM of {pool.dram} bytes a node: each of {sockets} sockets has less than a block of"
            f" {block.bytes} bytes"
        )
    return StoreShape(
        tiers_of({name: size // sockets for name, size in sizes.items()}), block.bytes
    )


def _shown(row: Record) -> Record:
    """What of a record is in the table: without what a line says of streams."""
    return dict(islice(row.items(), [*row, "time_us"].index("time_us")))


def _head(
    machine: MachineSpec, pool: PoolOptions, block: BlockShape, row: Record,
    file: str | None,
) -> str:  # fmt: skip
    what = "generated chats" if file is None else file
    return (
        f"# {machine.system}: {row['requests']} requests of {what}, {row['blocks']} blocks of"
        f" {block.tokens} tokens ({block.bytes} B); {pool.clients} dies, DRAM of {pool.nodes} nodes"
    )
