"""A check that all ranks of a world which another launcher has started are of one job.

A port and a number of ranks are public, and two jobs may have been given the same. So each rank
describes what it runs and with which settings, and all compare these descriptions before they
begin: if two differ, the ranks are not of one job, and every rank raises the same error. Command
lines are compared on one host only: on other hosts a job may be started by another command, and
whoever joins from there has proved with the keys that it belongs here.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from fabric.failure import WorldError
from fabric.host.liveness import host
from fabric.machine_json import VARIABLE
from fabric.settings import NO_SYSTEM, PREFIX, Settings
from topology.errors import TriplaneError

JOB = "TRIPLANE_JOB"
"""The environment variable that names a job: ranks that have the same are of one, whatever they
run; others do not meet."""

MACHINE = (VARIABLE, PREFIX + "SYSTEM", PREFIX + "SOFTWARE")
"""The environment variables that say of which machine a rank is."""

WORDS = 64
"""Arguments of a program that are compared."""

LENGTH = 64
"""Characters of each that are compared."""


def job_of(given: Mapping[str, str]) -> str:
    """The name of the job, from ``TRIPLANE_JOB`` or torchrun's run id; empty if neither is set."""
    run = given.get("TORCHELASTIC_RUN_ID", "")
    return given.get(JOB, "") or ("" if run == "none" else run)


def description(given: Mapping[str, str], local_rank: int, programs: bool) -> dict[str, Any]:
    """A description of this rank for `compare`, as JSON values, from its environment ``given``.

    ``programs``: whether it contains the command line, as ranks of one job run one program.
    """
    names = ("system", "software", *(field.name for field in fields(Settings)))
    settings = {n: given[PREFIX + n.upper()] for n in names if PREFIX + n.upper() in given}
    if settings.get("machine"):
        settings["machine"] = _machine(given)
    program = _program() if programs and not job_of(given) else []
    return {"settings": settings, "program": program, "local_rank": local_rank, "host": host()}


def _machine(given: Mapping[str, str]) -> str:
    """The machine as JSON: a file may be another one on another host.

    What cannot be read stays as it is: `compare` refuses it, at every rank.
    """
    try:
        machine = Settings.from_environment({k: given[k] for k in MACHINE if k in given}).machine
    except TriplaneError:
        return given[VARIABLE]
    return NO_SYSTEM if machine is None else machine.to_text()


def _program() -> list[str]:
    """What was started, without the folder that it lies in, which may differ between hosts."""
    script, *arguments = (list(getattr(sys, "argv", [])) or [""])[:WORDS]
    return [word[-LENGTH:] for word in (os.path.basename(script), *arguments)]


def compare(descriptions: Sequence[Mapping[str, Any]], settings: Settings) -> None:
    """Check the descriptions of all ranks, in the order of ranks, against each other.

    Command lines must equal rank 0's, and settings those of the world. Raises `WorldError` that
    names the first rank which differs, the same at every rank.
    """
    for rank, one in enumerate(descriptions):
        for name, text in one["settings"].items():
            _setting(rank, name, text, settings)
        first = descriptions[0]
        numbers = {(0, rank), (first["local_rank"], one["local_rank"])}
        here = one["host"] == first["host"]
        if here and not _alike(first["program"], one["program"], numbers):
            raise WorldError(
                f"another job is here: rank 0 runs {_line(first)}, rank {rank} runs"
                f" {_line(one)}; give each job a MASTER_PORT of its own, or if they are one job"
                f" all its ranks the same {JOB}",
                rank,
            )


def _setting(rank: int, name: str, text: str, settings: Settings) -> None:
    given = _value(Settings.from_environment({PREFIX + name.upper(): text}), name)
    value = _value(settings, name)
    if given != value:
        raise WorldError(
            f"another job is here, or its ranks do not agree: {PREFIX}{name.upper()} is {text!r} at"
            f" rank {rank}, and this world's {name} is {value!r}",
            rank,
        )


def _value(settings: Settings, name: str) -> object:
    """A setting, or what the variable of that name says of the machine."""
    machine = settings.machine
    if name == "machine":
        return NO_SYSTEM if machine is None else machine.to_text()
    if name in ("system", "software"):
        return None if machine is None else getattr(machine, name)
    return getattr(settings, name)


def _line(one: Mapping[str, Any]) -> str:
    return repr(" ".join(one["program"]))


def _alike(one: Sequence[str], other: Sequence[str], ranks: set[tuple[int, int]]) -> bool:
    """Whether two command lines are the same, but for numbers that are those of the ranks."""
    if len(one) != len(other):
        return False
    return all(
        x == y or (x.isdecimal() and y.isdecimal() and (int(x), int(y)) in ranks)
        for a, b in zip(one, other, strict=True)
        for x, y in _pieces(a, b)
    )


def _pieces(one: str, other: str) -> list[tuple[str, str]]:
    """Both cut into numbers and what is between them, side by side."""
    a, b = re.split(r"([0-9]+)", one), re.split(r"([0-9]+)", other)
    return list(zip(a, b, strict=True)) if len(a) == len(b) else [(one, other)]
