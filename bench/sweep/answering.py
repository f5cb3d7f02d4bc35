"""What a worker does: it runs the bench command of a point in its process and keeps its records."""

import io
import json
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bench.sweep.identity import dependencies
from bench.sweep.options import Setting, command_of, words
from bench.sweep.study import Point
from fabric.machine import MachineSpec
from topology.errors import TriplaneError
from topology.text import one_line

_HOST_TIME = "host_time_s"
"""The key of a record that says how long this host took: no part of an answer."""


@dataclass(frozen=True)
class AskedPoint:
    """A point with the hash of what its answer depends on, as it was where the sweep began."""

    key: str
    point: Point


@dataclass(frozen=True)
class PointAnswer:
    """What was found at a point, by its ``key``.

    ``rows``: the command's records, each with a ``machine`` (JSON; None where it has none).
    ``error``: the line with which the command failed, else None. ``notes``: lines that it wrote
    beside its answer. ``seconds``: that its worker took, on ``host``.
    """

    key: str
    rows: tuple[Mapping[str, Any], ...]
    error: str | None
    notes: tuple[str, ...]
    seconds: float
    host: str


def answers(tasks: Sequence[AskedPoint]) -> list[PointAnswer]:
    """The answers at these points, one after the other: a failure is an answer too.

    Only one call at a time works in a process, as the standard streams are the process's.
    """
    with _lock():
        return [answer(task) for task in tasks]


@cache
def _lock() -> threading.Lock:
    return threading.Lock()


def answer(task: AskedPoint) -> PointAnswer:
    """The answer at one point."""
    began = time.perf_counter()
    error = _difference(task)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    if error is None:
        rows, error, notes = _run(task.point)
    seconds = time.perf_counter() - began
    return PointAnswer(task.key, tuple(rows), error, tuple(notes), seconds, socket.gethostname())


def _difference(task: AskedPoint) -> str | None:
    """The line that says that the answer here would be another than where the sweep began."""
    here = dependencies(task.point)
    if here.key == task.key:
        return None
    files = ", ".join(here.files) or "none"
    return (
        f"{socket.gethostname()} has other code, files or NCCL_TESTS_ variables than where the"
        f" sweep began, or they were changed since: code {here.code[:12]}, files {files}"
    )


def _run(point: Point) -> tuple[list[dict[str, Any]], str | None, list[str]]:
    """The records of a point's command, its error line or None, and its notes."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        error = _called(point)
    notes = [*(one_line(str(each.message)) for each in caught), *err.getvalue().splitlines()]
    text = out.getvalue()
    rows = json.loads(text) if text else []
    return [_row(one) for one in rows], error, notes


def _row(record: dict[str, Any]) -> dict[str, Any]:
    machine = record.pop("machine", None)
    record.pop(_HOST_TIME, None)
    short = None if machine is None else MachineSpec.from_json(machine).to_short_json()
    return {**record, "machine": short}


def _called(point: Point) -> str | None:
    """Run the command of a point; its answer is on standard output.

    Returns the line of what went wrong, None if nothing did.
    """
    try:
        with _settings(point) as settings:
            command = command_of(point.bench)
            line = [*words(command, settings)]
            at = line.index("--") if "--" in line else len(line)
            line[at:at] = ["--format", "json"]
            code = command.main(line, f"triplane bench {point.bench}", standalone_mode=False)
    except click.ClickException as fault:
        return one_line(fault.format_message())
    except (TriplaneError, OSError) as fault:
        return one_line(str(fault))
    except MemoryError as fault:
        return one_line(f"out of memory: {fault}")
    except Exception as fault:  # a fault of ours is no reason to lose the other points
        where = traceback.extract_tb(fault.__traceback__)[-1]
        place = f"{Path(where.filename).name} line {where.lineno}"
        return one_line(f"{type(fault).__name__} in {place}: {fault}")
    return f"exit code {code}" if isinstance(code, int) and code else None


@contextmanager
def _settings(point: Point) -> Iterator[Mapping[str, Setting]]:
    """A context manager for the point's options, with a file of the machine that its fields make.

    A system that is given as an option is put among them, as another system has no options of it.
    """
    if not point.machine:
        yield point.settings
        return
    named = point.settings.get("machine")
    base = MachineSpec() if named is None else MachineSpec.load(str(named))
    fields = dict(point.machine)
    if "system" in point.settings:
        fields = {"system": point.settings["system"], **fields}
    if fields.get("system", base.system) != base.system:
        fields = {"system_options": {}, **fields}
    machine = MachineSpec.from_json({**base.to_json(), **fields})
    with TemporaryDirectory(prefix="triplane-sweep-") as folder:
        path = Path(folder, "machine.json")
        machine.save(path)
        try:
            yield {**point.settings, "machine": str(path)}
        except TriplaneError as error:
            raise type(error)(str(error).replace(str(path), "machine")) from error
