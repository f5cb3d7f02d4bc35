"""``bench pool``: hit rates and latencies of a pool on an emulated machine, UB beside VPC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.background import lines as lines_beside
from bench.background import record as of_streams
from bench.background_option import background_option, check_alone
from bench.machine_options import machine_options
from bench.numbers import Positive
from bench.options import Names, answer_options, gathered, parse_bytes, parse_size
from bench.pool import published
from bench.records import Record, Value, as_text, in_gb, opened, over, progress
from bench.streams import put
from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.eviction import eviction_policy
from collectives.memory.pool.core.tiers import StoreShape, tiers_of
from collectives.memory.pool.emulated.replay import BlockShape, ReplayAnswer, replay
from collectives.memory.pool.emulated.requests import (
    TRACE_BLOCK,
    CacheRequest,
    ChatLoad,
    read_requests,
)
from collectives.memory.pool.emulated.ways import POOL_PLANES, PoolWays
from collectives.workloads.background.beside import Beside
from collectives.workloads.background.session import StreamSession
from collectives.workloads.background.streams import Background
from fabric.machine import MachineSpec
from topology.units import US

MLA_TOKEN = 70272
"""Bytes of KV a token of DeepSeek-V3 and R1: 576 values of 2 bytes in each of 61 layers."""

SHARES = (50, 90, 99)
"""Percentiles that are printed."""


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
@background_option
@machine_options
@answer_options
def command(
    file: str | None, faster: float, chats: ChatLoad, pool: PoolOptions, of_paper: bool,
    background: tuple[Background, ...], machine: MachineSpec, form: str, output: Path | None,
) -> None:  # fmt: skip
    """Hit rates of eviction policies, and how long blocks take, over UB and over VPC.

    Each request reads the blocks of its prompt that the pool has, and writes the others. --planes
    chooses among ub and vpc.
    """
    check_alone(background, {"--published": of_paper})
    if of_paper:
        rows = published.records(machine)
        with opened(output) as where:
            where.write(as_text([published.shown(row) for row in rows] if form == "table" else rows,
                                form, machine))  # fmt: skip
            if form == "table":
                put(where, *(f"# {line}" for line in published.notes(rows)))
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
    runs = [(plane, policy) for plane in planes for policy in pool.policies]
    made = _runs(machine, pool, block, requests, runs, background)
    found = [*progress(made, "pool", len(runs))]
    with opened(output) as where:
        if form == "table":
            put(where, _head(machine, pool, block, found[0][1], file))
            where.write(as_text([_shown(record) for record, _ in found], form, machine))
            put(where, *(
                f"# {record['plane']} {record['policy']} {line}"
                for record, _ in found for line in lines_beside(record, "us in the mean, alone")
            ))  # fmt: skip
        else:
            where.write(as_text([record for record, _ in found], form, machine))


def _runs(
    machine: MachineSpec, pool: PoolOptions, block: BlockShape, requests: Sequence[CacheRequest],
    runs: Sequence[tuple[str, str]], streams: tuple[Background, ...],
) -> Iterator[tuple[Record, ReplayAnswer]]:  # fmt: skip
    ways = {
        plane: PoolWays(machine.changed(planes=None), plane, pool.clients, pool.nodes)
        for plane in dict.fromkeys(plane for plane, _ in runs)
    }
    for plane, policy in runs:
        shape = _shape(pool, block, len(ways[plane].servers) // pool.nodes)
        answer = replay(ways[plane], requests, shape, block, policy=policy)
        if not streams:
            yield _record(ways[plane], policy, answer), answer
            continue
        fabric = ways[plane].fabric
        session = StreamSession(
            fabric, streams, pool.clients, alone=answer.span,
            inner=fabric.session(len(fabric.places)),
        )  # fmt: skip
        beside = replay(ways[plane], requests, shape, block, policy=policy, session=session)
        found = Beside(_mean(beside), _mean(answer), session.answers(beside.span))
        row = _record(ways[plane], policy, beside)
        yield {**row, "time_us": found.time / US, **of_streams(found)}, beside


def _mean(answer: ReplayAnswer) -> float:
    """Seconds in which a request's blocks are read or written, in the mean."""
    taken = np.concatenate([answer.gets, answer.puts])
    return float(taken.mean()) if len(taken) else 0.0


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


def _record(ways: PoolWays, policy: str, answer: ReplayAnswer) -> Record:
    tiers = {f"hits_{name}": count for name, count in sorted(answer.by_tier.items())}
    return {
        "plane": ways.plane, "software": ways.software, "policy": policy,
        "requests": answer.requests, "blocks": answer.blocks,
        "hit_percent": 100 * answer.hit_rate, "token_hit_percent": 100 * answer.token_hit_rate,
        **tiers, "evicted": answer.evicted,
        **{f"get_p{share}_us": _percentile(answer.gets, share) for share in SHARES},
        **{f"put_p{share}_us": _percentile(answer.puts, share) for share in SHARES},
        "get_GBps": in_gb(over(answer.loaded, float(answer.gets.sum()))),
        "read_GBps": in_gb(over(answer.loaded, answer.span)), "span_s": answer.span,
    }  # fmt: skip


def _shown(row: Record) -> Record:
    """What of a record is in the table: without what a line says of streams."""
    return dict(islice(row.items(), [*row, "time_us"].index("time_us")))


def _percentile(times: Any, share: int) -> Value:
    return float(np.percentile(times, share)) / US if len(times) else None


def _head(
    machine: MachineSpec, pool: PoolOptions, block: BlockShape, answer: ReplayAnswer,
    file: str | None,
) -> str:  # fmt: skip
    what = "generated chats" if file is None else file
    return (
        f"# {machine.system}: {answer.requests} requests of {what}, {answer.blocks} blocks of"
        f" {block.tokens} tokens ({block.bytes} B); {pool.clients} dies, DRAM of {pool.nodes} nodes"
    )
