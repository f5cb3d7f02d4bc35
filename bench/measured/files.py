"""Reads a file of measurements, whichever of the known kinds it is."""

from collections.abc import Iterable
from pathlib import Path

from bench.measured import deep_ep, nccl_tests, osu
from bench.measured.setting import MeasuredError, Setting
from bench.measured.table import rows_of_table
from bench.published.rows import PublishedRow
from topology.files.reading import read_text

_KINDS = (
    (nccl_tests.is_text, nccl_tests.rows_of_text),
    (osu.is_text, osu.rows_of_text),
    (deep_ep.is_text, deep_ep.rows_of_text),
)


def measured(path: Path, setting: Setting) -> list[PublishedRow]:
    """The measurements in the file at ``path``, their sizes counted as nccl-tests' S.

    It is what nccl-tests, OSU's benchmarks or DeepEP's tests printed, nccl-tests' JSON, or a CSV
    (`bench.measured.table`). Raises `MeasuredError` naming the line that is wrong, and for a file
    without any row.
    """
    text, name = read_text(path, MeasuredError), str(path)
    if text.lstrip().startswith("{"):
        found = list(nccl_tests.rows_of_json(text, name, setting))
    else:
        read = next((read for fits, read in _KINDS if fits(text)), None)
        found = list(read(text, name, setting) if read else rows_of_table(path, name, setting))
    if not found:
        raise MeasuredError(f"{path} has no measurement in it")
    return found


def all_measured(paths: Iterable[Path], setting: Setting) -> list[PublishedRow]:
    """The measurements in several files, one after the other; raises as `measured`."""
    return [row for path in paths for row in measured(path, setting)]
