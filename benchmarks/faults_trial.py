"""One trial of ``faults.py``: ranks are started, a fault comes, and the oracle judges."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from faults_flood import pester
from faults_oracle import (
    HARMLESS,
    Observer,
    Verdict,
    by_rank,
    diaries,
    hung,
    judge,
    members,
    remains,
    segments,
)
from faults_plan import Plan, commands, draw, environment
from faults_rank import INSIDE

LIMIT = 15.0
"""Seconds after the fault, or after the ranks were to stop, in which all has to be over."""

TO_JOIN = 60.0
"""Seconds that ranks are given to join: the machine may be busy."""

GOES_ON = 0.7
"""Seconds after a fault that may do no harm, until the ranks are to stop."""

LEFT = 4.0
"""Seconds after the end in which everything has to be gone."""

Launchers = list["subprocess.Popen[bytes]"]


def waited(come: Callable[[], bool], seconds: float) -> bool:
    """Whether it has come in time."""
    due = time.monotonic() + seconds
    while not come():
        if time.monotonic() > due:
            return False
        time.sleep(0.01)
    return True


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def started(plan: Plan, mark: str, folder: Path) -> Iterator[Launchers]:
    """The launchers, one for each node; whatever happens, nothing of them outlives this."""
    temporary = folder / "t"
    temporary.mkdir()
    given, launchers = environment(plan, mark, temporary), []
    try:
        port = free_port()
        for number, command in enumerate(commands(plan, port)):
            with open(folder / f"output{number}", "wb") as output:
                launchers.append(
                    subprocess.Popen(
                        command, env=given, stdin=subprocess.DEVNULL, stdout=output,
                        stderr=subprocess.STDOUT, start_new_session=True,
                    )
                )  # fmt: skip
        yield launchers
    finally:
        for pid in [*members(mark)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for launcher in launchers:
            launcher.kill()
            launcher.wait()


def strike(plan: Plan, folder: Path, launchers: Launchers) -> float | None:
    """Make a fault that comes from outside; when it came, None for a signal that is ignored."""
    if plan.kind == "stranger":
        found = by_rank(diaries(folder))
        lines = [e.words for one in found.values() for e in one if e.name == "joined"]
        controls = {words.split()[-1] for words in lines}
        now = time.monotonic()
        for control in controls:
            pester(control, random.Random(plan.order.seed))
        return now
    number = getattr(signal, plan.kind.split()[-1])
    if plan.kind.startswith("launcher"):
        pid = launchers[plan.victim % len(launchers)].pid
    else:
        known = by_rank(diaries(folder))
        others = [events[0].pid for events in diaries(folder).values() if events]
        if not others:  # all has ended before there was any rank
            return None
        pid = known[plan.victim][0].pid if plan.victim in known else others[0]
    now = time.monotonic()
    try:
        # MPI's libraries catch SIGHUP, and go on.
        deaf_by = "Ign|Blk|Cgt" if number == signal.SIGHUP and plan.kind == "SIGHUP" else "Ign|Blk"
        status = Path(f"/proc/{pid}/status").read_text()
        masks = re.findall(rf"Sig(?:{deaf_by}):\s*(\w+)", status)
        os.kill(pid, number)
    except OSError:  # it has just ended
        return now
    deaf = any(int(mask, 16) >> (number - 1) & 1 for mask in masks)
    return None if deaf else now


def try_it(seed: int, number: int, kinds: tuple[str, ...], asynchronous: bool) -> Verdict:
    """Make one trial."""
    folder = Path(tempfile.mkdtemp(prefix="tf-", dir="/tmp"))
    plan = draw(seed, number, kinds, asynchronous, str(folder))
    mark, shared = uuid.uuid4().hex, set[str]()
    verdict = Verdict(plan)
    try:
        with started(plan, mark, folder) as launchers:
            observer = Observer(mark, folder)

            def look() -> None:
                shared.update(_ours(plan, mark))
                observer.look()

            def over() -> bool:
                observer.look()
                return all(one.poll() is not None for one in launchers)

            struck = _run(plan, folder, launchers, verdict, look)
            ended = waited(over, LIMIT)
            if not ended:
                verdict.hung += hung(plan, members(mark))
            end = time.monotonic()
            if struck is not None:
                waited(lambda: not members(mark), 1.0)  # ranks of a launcher that was killed
                codes = [one.returncode for one in launchers]
                judge(plan, folder, codes, struck, end, observer.ended, verdict)
                verdict.starved = observer.starved(struck, struck + (verdict.told or 0.0))
            if ended:
                waited(lambda: not remains(mark, folder, shared), LEFT)
                verdict.left += remains(mark, folder, shared)
    finally:
        if not (verdict.wrong or verdict.hung or verdict.left):
            shutil.rmtree(folder, ignore_errors=True)
    return verdict


def _ours(plan: Plan, mark: str) -> set[str]:
    """Shared memory that is to be gone: that of the user's own mpiexec is not our business."""
    return set() if plan.launcher in ("mpiexec", "openmpi") else segments(mark)


def _run(
    plan: Plan, folder: Path, launchers: Launchers, verdict: Verdict, look: Callable[[], None]
) -> float | None:
    """Let the ranks run until the fault has come; when that was. ``look``: called before it."""

    def over() -> bool:
        return all(one.poll() is not None for one in launchers)

    def joined() -> bool:
        return len(by_rank(diaries(folder))) == plan.ranks

    def fault() -> list[float]:
        return [e.time for one in diaries(folder).values() for e in one if e.name == "fault"]

    if plan.moment == "joining":
        waited(lambda: any(diaries(folder).values()) or over(), TO_JOIN)
        time.sleep(plan.delay)
        look()
        struck = strike(plan, folder, launchers)
        if struck is None:
            (folder / "stop").touch()
        return struck
    if not waited(lambda: joined() or over() or bool(fault()), TO_JOIN) or (
        over() and not (joined() or fault())
    ):
        verdict.hung.append("the ranks have not joined")
        return None
    look()
    if plan.kind in INSIDE:
        if not waited(lambda: bool(fault()) or over(), TO_JOIN) or not fault():
            verdict.hung.append("the fault has not come")
            return None
        struck = fault()[0]
    else:
        if plan.moment == "leaving":
            (folder / "stop").touch()
        time.sleep(plan.delay)
        struck = strike(plan, folder, launchers)
    if plan.kind in HARMLESS or struck is None:
        time.sleep(GOES_ON)
        (folder / "stop").touch()
    return struck
