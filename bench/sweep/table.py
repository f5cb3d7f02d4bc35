"""The table of a sweep: a row for each record of each point, with where it is from."""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.records import Record, Value, as_text, columns_of
from bench.sweep.answering import AskedPoint, PointAnswer
from bench.sweep.identity import code, version
from bench.sweep.options import SweepError
from bench.sweep.store import Store
from bench.sweep.study import Study
from topology.files.output import byte_file

FORMATS = ("csv", "json", "table", "parquet")
"""The forms that a table is written in; parquet needs pyarrow."""

ASKED = "asked_"
"""How the names of columns begin that say what was asked: one for each axis of the study."""

DIGITS = 16
"""Of a hash in the table: enough to find the answer's line, and the code, again."""


def column(axis: str) -> str:
    """The column of an axis: ``asked_top_k`` for ``top-k``."""
    return ASKED + axis.replace("-", "_").replace(".", "_")


def rows(study: Study, tasks: Sequence[AskedPoint], store: Store) -> list[Record]:
    """The rows of the table, points in the study's order; one that is not answered has none.

    Each has the point's number, what was asked, the command's record, ``error``, ``machine`` (JSON
    as ``--machine`` takes it), ``key`` of the answer, ``version`` and ``code``.
    """
    return [
        row
        for number, task in enumerate(tasks)
        if (answer := store.get(task.key)) is not None
        for row in _of_point(study, number, task, answer)
    ]


def _of_point(study: Study, number: int, task: AskedPoint, answer: PointAnswer) -> list[Record]:
    asked = {column(axis): _value(task.point.asked(axis)) for axis in study.axes}
    first = {"point": number, "bench": task.point.bench, **asked}
    last: dict[str, Value] = {
        "key": answer.key[:DIGITS], "version": version(), "code": code()[:DIGITS],
    }  # fmt: skip
    return [
        {**first, **_measured(one), "error": answer.error, "machine": _json(one.get("machine")),
         **last}
        for one in (answer.rows or ({},))
    ]  # fmt: skip


def _measured(row: Mapping[str, Any]) -> dict[str, Value]:
    return {name: value for name, value in row.items() if name != "machine"}


def _value(value: object) -> Value:
    return value if isinstance(value, str | int | float | None) else _json(value)


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def in_order(table: Sequence[Record]) -> list[Record]:
    """The rows with all columns each, where what was measured comes before where it is from."""
    names = columns_of(table)
    last = [name for name in ("error", "machine", "key", "version", "code") if name in names]
    names = [*(name for name in names if name not in last), *last]
    return [{name: row.get(name) for name in names} for row in table]


def text(table: Sequence[Record], form: str) -> str:
    """The table as text in one of `FORMATS`; machines are left out of the one for people."""
    if form == "json":
        whole = [{**row, "machine": None if row["machine"] is None
                  else json.loads(str(row["machine"]))} for row in in_order(table)]  # fmt: skip
        return "[" + ",\n ".join(json.dumps(row, allow_nan=False) for row in whole) + "]\n"
    if form == "table":
        hidden = ("machine", "key", "version", "code")
        return as_text(
            [{name: value for name, value in row.items()
              if name not in hidden and not (name == "error" and value is None)}
             for row in in_order(table)], form,
        )  # fmt: skip
    return as_text(in_order(table), form)


def parquet(table: Sequence[Record], study: Study, path: Path) -> None:
    """Write the table to a Parquet file, with the study's text among its metadata.

    Raises `SweepError` if pyarrow is not installed, `OSError`.
    """
    try:
        pa: Any = import_module("pyarrow")
        pq: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise SweepError(f"Parquet needs triplane[parquet]: {error}") from None
    whole = in_order(table)
    columns = {name: _alike([row[name] for row in whole]) for name in columns_of(whole)}
    made = pa.table(columns).replace_schema_metadata(
        {"triplane": version(), "triplane_code": code(), "triplane_sweep": study.text}
    )
    with byte_file(path) as file:
        pq.write_table(made, file)


def _alike(values: Sequence[Value]) -> list[Value]:
    """The values of a column in one type: whole numbers as floats beside floats, else texts."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2:
        return list(values)
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
