"""Mooncake's `TransferEngine` and NIXL's `nixl_agent` over memory of real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectives.adapters.mooncake.engine import TransferEngine, TransferNotify, TransferOpcode
from collectives.adapters.nixl.agent import LOCAL, AgentConfig, NixlAgent
from collectives.adapters.nixl.descriptors import RegistrationList, TransferList
from collectives.adapters.nixl.errors import (
    NixlInvalidParamError,
    NixlNotFoundError,
    NixlNotSupportedError,
)
from collectives.memory.agents import AgentError, ProcessAgent, card_of
from fabric.transports.base import address_of

PROGRAMS = Path(__file__).parent / "programs"
SIZE = 4096


@contextmanager
def peer() -> Iterator[tuple["subprocess.Popen[str]", str, int]]:
    """A process with memory, its name, and the address of its memory."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAMS / "memory_peer.py")], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PROGRAMS.parents[1])},
    ) as process:  # fmt: skip
        try:
            port, address = _line(process).split()
            yield process, f"127.0.0.1:{port}", int(address)
        finally:
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def asked(process: "subprocess.Popen[str]") -> str:
    """What the process says is in its memory, and which notifications it has got."""
    assert process.stdin is not None
    process.stdin.write("?\n")
    process.stdin.flush()
    return _line(process)


@pytest.fixture
def engine() -> Iterator[TransferEngine]:
    made = TransferEngine()
    assert made.initialize("127.0.0.1", "P2PHANDSHAKE", "rdma", "") == 0
    yield made
    if made._agent is not None:
        made._agent.close()


def test_an_engine_reads_and_writes_memory_of_another_process(engine: TransferEngine) -> None:
    with peer() as (process, name, there):
        here = engine.allocate_managed_buffer(SIZE)
        assert engine.get_first_buffer_address(name) == there
        assert engine.transfer_sync_read(name, here, there, SIZE) == 0
        assert engine.read_bytes_from_buffer(here, SIZE) == bytes(range(256)) * 16
        engine.write_bytes_to_buffer(here, b"abcdefgh", 8)
        notify = TransferNotify("done", "with it")
        assert engine.transfer_sync(name, here, there + 1, 3, TransferOpcode.Write, notify) == 0
        pieces = ([here + 6, here + 3], [there + 8, there + 12], [2, 1])
        assert engine.batch_transfer_sync_write(name, *pieces) == 0
        said = "00616263 04050607 67680a0b 640d0e0f".replace(" ", "")
        assert asked(process) == f"{said} [['done', 'with it']]"
        number = engine.batch_transfer_async_read(name, [here], [there], [4])
        assert engine.get_batch_transfer_status([number]) == 0
        assert engine.get_batch_transfer_status([number]) == -1  # it is forgotten
        assert engine.read_bytes_from_buffer(here, 4) == b"\0abc"
        number = engine.transfer_submit_write(name, here, there, 1)
        assert engine.transfer_check_status(number) == 1
        assert engine.send_probe(name) == 0


def test_a_thousand_pieces_and_more_are_moved_in_one_call(engine: TransferEngine) -> None:
    with peer() as (_, name, there):
        here = engine.allocate_managed_buffer(SIZE)
        order = np.random.default_rng(1).permutation(SIZE)
        code = engine.batch_transfer_sync_read(
            name, [here + at for at in range(SIZE)], (there + order).tolist(), [1] * SIZE
        )
        assert code == 0
        found = engine.read_bytes_from_buffer(here, SIZE)
        assert found == bytes((order % 256).tolist())


def test_what_an_engine_cannot_do_is_a_number_below_0(
    engine: TransferEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with peer() as (process, name, there):
        here = engine.allocate_managed_buffer(SIZE)
        assert engine.transfer_sync_read(name, here, there + SIZE - 4, 8) == -1
        assert f"has not registered 8 bytes at address {there + SIZE - 4}" in caplog.text
        assert engine.transfer_sync_read(name, 8, there, 8) == -1  # no memory of this process
        assert engine.transfer_sync_read(name, here, there, 8) == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert engine.transfer_sync_write(name, here, there, 8) == -1
        assert "has died" in caplog.text
        assert engine.send_probe(name) == -1
    assert engine.batch_transfer_async_write("127.0.0.1:9", [here], [there], [8]) == 0
    assert engine.get_first_buffer_address("127.0.0.1:9") == 0
    assert engine.unregister_memory(here + 1) == -1
    assert engine.free_managed_buffer(here, SIZE) == 0
    assert engine.register_memory(0, 8) == -1
    assert TransferEngine().register_memory(here, 8) == -1
    other = TransferEngine()
    taken = f"127.0.0.1:{engine.get_rpc_port()}"
    assert other.initialize(taken, "127.0.0.1:2379", "tcp", "") == -1


@pytest.fixture
def agents() -> Iterator[tuple[NixlAgent, NixlAgent]]:
    pair = NixlAgent("one", AgentConfig(backends=[])), NixlAgent("two")
    yield pair
    for agent in pair:
        agent._agent.close()


def memory(fill: int, size: int = 64) -> tuple[np.ndarray[Any, Any], tuple[int, int, int]]:
    array = np.full(size, fill, np.uint8)
    return array, (address_of(array), size, 0)


def test_agents_transfer_and_notify(agents: tuple[NixlAgent, NixlAgent]) -> None:
    one, two = agents
    (mine, here), (theirs, there) = memory(1), memory(2)
    one.register_memory([(*here, "")], "DRAM")
    registered = two.register_memory([(*there, "")], "DRAM")
    assert one.add_remote_agent(two.get_agent_metadata()) == "two"
    two.add_remote_agent(one.get_agent_metadata())
    descs = two.get_xfer_descs([there], "DRAM")
    assert descs is not None
    sent = one.deserialize_descs(two.get_serialized_descs(descs))
    assert sent == descs
    local = one.get_xfer_descs(np.array([here]), "DRAM")
    assert isinstance(sent, TransferList)
    assert local is not None
    handle = one.initialize_xfer("READ", local, sent, "two", b"read")
    with pytest.raises(NixlInvalidParamError, match="not been posted"):
        one.check_xfer_state(handle)
    assert (one.transfer(handle), one.check_xfer_state(handle)) == ("DONE", "DONE")
    assert mine.tolist() == [2] * 64
    assert two.get_new_notifs() == {"one": [b"read"]}
    mine[:] = 7
    sides = one.prep_xfer_dlist(LOCAL, local), one.prep_xfer_dlist("two", descs)
    again = one.make_prepped_xfer("WRITE", sides[0], [0], sides[1], np.array([0]), "written")
    assert one.transfer(again) == "DONE"
    assert theirs.tolist() == [7] * 64
    assert two.check_remote_xfer_done("one", b"writ")
    assert not two.check_remote_xfer_done("one", b"writ")
    assert one.get_xfer_telemetry(again).totalBytes == 64
    two.deregister_memory(registered)
    with pytest.raises(NixlNotFoundError, match="not registered"):
        two.deregister_memory(registered)
    one.remove_remote_agent("two")
    with pytest.raises(NixlNotFoundError, match="agent 'two' is not known to 'one'"):
        one.send_notif("two", b"?")


def test_agents_know_what_they_were_told_and_no_more(agents: tuple[NixlAgent, NixlAgent]) -> None:
    one, two = agents
    kept = [memory(at) for at in range(3)]
    for _, stretch in kept:
        two.register_memory([(*stretch, "")], "DRAM")
    first, second = (RegistrationList(0, [kept[at][1]]) for at in (0, 1))
    two.send_partial_agent_metadata(first, ip_addr="127.0.0.1", port=one._agent.port)
    assert one.check_remote_metadata("two", first.trim())
    assert not one.check_remote_metadata("two", second.trim())
    with pytest.raises(NixlNotFoundError, match="agent 'two' has registered no 64 bytes"):
        one.initialize_xfer("READ", first.trim(), second.trim(), "two")
    two.send_partial_agent_metadata(second, ip_addr="127.0.0.1", port=one._agent.port)
    both = TransferList(0, [kept[0][1], kept[1][1]])
    assert one.check_remote_metadata("two", both)
    two.invalidate_local_metadata("127.0.0.1", one._agent.port)
    assert not one.check_remote_metadata("two")
    one.fetch_remote_metadata("two", "127.0.0.1", two._agent.port)
    assert one.check_remote_metadata("two", TransferList(0, [kept[2][1]]))


def test_what_agents_cannot_do_is_refused_by_name(agents: tuple[NixlAgent, NixlAgent]) -> None:
    one, _ = agents
    with pytest.raises(NixlNotSupportedError, match="VRAM_SEG: only DRAM_SEG"):
        one.register_memory([(8, 8, 0, "")], "VRAM")
    with pytest.raises(NixlNotSupportedError, match="no metadata server"):
        one.send_local_metadata()
    with pytest.raises(NixlInvalidParamError, match="no memory that can be registered"):
        one.register_memory([1, 2])
    with pytest.raises(NixlInvalidParamError, match="metadata of an agent"):
        one.add_remote_agent(b"{}")
    _, stretch = memory(0)
    rows = TransferList(0, [stretch])
    one.register_memory([(*stretch, "")], "DRAM")
    with pytest.raises(NixlInvalidParamError, match="it can be READ, WRITE"):
        one.initialize_xfer("COPY", rows, rows, "one")
    with pytest.raises(NixlInvalidParamError, match="1 stretches here and 0 at agent"):
        one.initialize_xfer("READ", rows, TransferList(0), "one")
    handle = one.initialize_xfer("READ", rows, rows, "one", "to itself")
    assert one.transfer(handle) == "DONE"
    assert one.get_new_notifs() == {"one": [b"to itself"]}


def test_a_card_of_another_host_or_of_a_process_that_is_gone_is_refused() -> None:
    agent = ProcessAgent("here")
    try:
        card = agent.card.as_json()
        with pytest.raises(AgentError, match="agent 'here' is on another host"):
            agent.learn(card_of({**card, "host": "elsewhere"}))
        with pytest.raises(AgentError, match="the process of agent 'here' is gone"):
            agent.learn(card_of({**card, "born": "0"}))
        with pytest.raises(AgentError, match="no description of an agent"):
            card_of({"name": "x"})
        with pytest.raises(AgentError, match="is no request"):
            agent._request(agent.port, ["evaluate", "1"], 5.0)
    finally:
        agent.close()
