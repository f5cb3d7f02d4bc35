"""What a trial of ``faults.py`` is: what is started, and which fault comes to whom and when."""

import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from faults_rank import INSIDE, Order

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

MARK = "TRIPLANE_FAULTS"
"""The variable by which processes of a trial are known."""

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGSTOP", "SIGSEGV")
ENDING = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")

LAUNCHERS = ("run", "run nodes", "launch", "torchrun", "mpiexec", "openmpi")
ENDS_ALL = ("torchrun", "mpiexec", "openmpi")
"""Launchers that end all ranks themselves when one has failed: who is ended need not be told."""

MOMENTS = ("joining", "calls", "leaving")


@dataclass(frozen=True)
class Plan:
    """A trial: what is started, and what happens to whom and when."""

    launcher: str
    transport: str
    ranks: int
    kind: str
    victim: int
    moment: str
    delay: float
    order: Order

    def __str__(self) -> str:
        return (
            f"{self.kind} at rank {self.victim} of {self.ranks}, {self.moment} + {self.delay:.3f}"
            f" s, {self.launcher} over {self.transport}"
        )


def draw(seed: int, number: int, kinds: tuple[str, ...], asynchronous: bool, folder: str) -> Plan:
    """The trial of that number."""
    chance = random.Random(f"{seed} {number}")
    launcher = chance.choice([one for one in LAUNCHERS if available(one)])
    transport = chance.choice(
        {
            "run": ["memory", "sockets", "mpi", "inproc"], "run nodes": ["sockets", "memory"],
            "launch": ["memory", "sockets", "mpi", "inproc"], "torchrun": ["memory", "sockets"],
            "mpiexec": ["mpi", "memory"], "openmpi": ["mpi"],
        }[launcher]
    )  # fmt: skip
    ranks = chance.choice((2, 4) if launcher == "run nodes" else (2, 3, 4))
    moment = chance.choice((*MOMENTS, "calls"))
    fit = [kind for kind in kinds if fits(kind, launcher, transport, moment)]
    kind = chance.choice(fit) if fit else "launcher SIGKILL"
    outside = kind not in INSIDE and kind != "stranger"
    moment = moment if outside else "calls"
    delay = chance.uniform(0, {"joining": 1.0, "calls": 0.4, "leaving": 0.2}[moment])
    victim = chance.randrange(ranks)
    at = chance.randrange(2, 60)
    order = Order(folder, f"{seed} {number}", kind, victim, at, asynchronous)
    return Plan(launcher, transport, ranks, kind, victim, moment, delay, order)


def available(launcher: str) -> bool:
    """Whether it is installed."""
    return launcher in ("run", "run nodes", "launch") or Path(starter(launcher)[0]).exists()


def starter(launcher: str) -> list[str]:
    """The program of a launcher of others."""
    openmpi = BIN.parent / "openmpi" / "bin" / "mpiexec"
    return {
        "torchrun": [str(BIN / "torchrun"), "--master-port", "0"],
        "mpiexec": [str(BIN / "mpiexec")], "openmpi": [str(openmpi), "--oversubscribe"],
    }[launcher]  # fmt: skip


def fits(kind: str, launcher: str, transport: str, moment: str) -> bool:
    """Whether a fault can be made there."""
    if transport == "inproc":
        return kind == "exception" or kind.startswith("launcher")
    if kind in ("cut data", "sockets deleted"):
        return transport == "sockets"
    if kind == "SIGSTOP" and launcher in ENDS_ALL and moment != "calls":
        return False  # before and after its world, a rank is its launcher's
    if kind == "launcher SIGKILL" and launcher in ENDS_ALL and moment == "joining":
        return False
    if kind in ("cut control", "stranger"):
        return launcher in ("run", "run nodes") and transport != "mpi"
    return True


def commands(plan: Plan, port: int) -> list[list[str]]:
    """What is started: one command, or one for each node."""
    program = [str(HERE / "faults_rank.py"), *plan.order.words()]
    ranks, transport = str(plan.ranks), plan.transport
    ours = {"mpi": "mpi", "inproc": "inproc"}.get(transport, "zmq")
    if plan.launcher == "launch":
        return [[sys.executable, program[0], "--launch", ranks, ours, *program[1:]]]
    if plan.launcher == "torchrun":
        return [[*starter("torchrun"), "--nproc-per-node", ranks, *program]]
    if plan.launcher in ENDS_ALL:
        return [[*starter(plan.launcher), "-n", ranks, sys.executable, *program]]
    run = [str(BIN / "triplane"), "run", "-n", ranks, "--transport", ours, "--system", "star:4"]
    run += ["--grace", "2"]
    if plan.launcher == "run":
        return [[*run, *program]]
    meet = ["--nnodes", "2", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    return [
        [*run, *meet, "--node-rank", str(node), "--local-addr", f"127.0.0.{node + 1}", *program]
        for node in (0, 1)
    ]


def environment(plan: Plan, mark: str, temporary: Path) -> dict[str, str]:
    """Of the launcher, and so of all that it starts."""
    given = {
        **os.environ, MARK: mark, "TMPDIR": str(temporary), "PYTHONPATH": f"{HERE}:{HERE.parent}",
        "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    if plan.transport == "sockets":
        given["TRIPLANE_SHARED_MEMORY"] = "0"
    if plan.launcher in ENDS_ALL:
        given["TRIPLANE_TRANSPORT"] = "mpi" if plan.transport == "mpi" else "zmq"
        given["TRIPLANE_SYSTEM"] = "none"
    return given
