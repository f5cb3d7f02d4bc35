"""nccl-tests' text and JSON: golden lines that its own C printed, and a parser that knows no code.

The golden lines come from a C program with the printf formats of nccl-tests 2.19.6's src/util.cu.
"""

import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.collectives import nccl_format
from bench.measurement import Measurement
from bench.options import Flags

ROW = re.compile(
    r"^\s*(?P<size>\d+)\s+(?P<count>\d+)\s+(?P<type>\S+)\s+(?P<redop>\S+)\s+(?P<root>-?\d+)"
    r"\s+(?P<out_time>\S+)\s+(?P<out_algbw>\S+)\s+(?P<out_busbw>\S+)\s+(?P<out_wrong>\S+)"
    r"\s+(?P<in_time>\S+)\s+(?P<in_algbw>\S+)\s+(?P<in_busbw>\S+)\s+(?P<in_wrong>\S+)\s*$"
)
AVERAGE = re.compile(r"^# Avg bus bandwidth\s*:\s*(\S+)", re.MULTILINE)
OUT_OF_BOUNDS = re.compile(r"^# Out of bounds values\s*:\s*(\d+)\s+(\w+)", re.MULTILINE)


def parse(text: str) -> list[dict[str, str]]:
    """The rows, as public parsers of nccl-tests read them: what is no comment is a row."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [ROW.match(line) for line in lines]
    assert all(rows), [line for line, row in zip(lines, rows, strict=True) if not row]
    return [row.groupdict() for row in rows if row]


MEASURED = Measurement(
    op="all_reduce", system="cloudmatrix384", software="raw", transport="sim", engine="flow",
    routing="spray", ranks=8, algorithm="ring", datatype="float", redop="sum", root=-1,
    size=1048576, count=262144, time=12.3456e-6, algbw=84.935e9, busbw=148.636e9, bound=12e-6,
    bottleneck="link a->b", wrong=None, host_time=0.01,
)  # fmt: skip
DEVICE = nccl_format.DeviceLine(3, 0, 77, "node0", 3, "0000:03:00", "x y")


@pytest.mark.parametrize(
    ("value", "wide", "narrow"),
    [
        (0.0, "   0.00", "  0.00"),
        (0.005, "   0.01", "  0.01"),
        (1.234567, "   1.23", "  1.23"),
        (999.995, "1000.00", "1000.0"),
        (9999.994, "9999.99", " 10000"),
        (9999.995, "10000.0", " 10000"),
        (99999.949, "99999.9", "100000"),
        (123456.7, " 123457", "123457"),
        (9999999.4, "9999999", " 1e+07"),
        (9999999.6, "1.0e+07", " 1e+07"),
        (123456789.0, "1.2e+08", " 1e+08"),
    ],
)
def test_numbers_shrink_as_c_prints_them(value: float, wide: str, narrow: str) -> None:
    assert nccl_format.float_text(value, 7) == wide
    assert nccl_format.float_text(value, 6) == narrow


@pytest.mark.parametrize(
    ("flags", "golden"),
    [
        (
            Flags(),
            [
                "#",
                "#                                                              out-of-place                       in-place          ",  # noqa: E501
                "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong ",  # noqa: E501
                "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)         ",  # noqa: E501
            ],
        ),
        (
            Flags(per_iter_timing=1, report_timestamps=1),
            [
                "#",
                "#                                                                 out-of-place (+ per-iteration)                                in-place (+ per-iteration)",  # noqa: E501
                "#       size         count      type   redop    root     time   algbw   busbw  #wrong    i_min    i_max    i_p99    i_cv%     time   algbw   busbw  #wrong    i_min    i_max    i_p99    i_cv%           timestamp",  # noqa: E501
                "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)     (us)     (us)      (%)     (us)  (GB/s)  (GB/s)             (us)     (us)     (us)      (%)   %Y-%m-%d %H:%M:%S",  # noqa: E501
            ],
        ),
    ],
    ids=["plain", "per iteration"],
)  # fmt: skip
def test_column_heads_are_golden(flags: Flags, golden: list[str]) -> None:
    assert nccl_format.header(flags, "x", [], [])[-4:] == golden


def test_rows_are_golden() -> None:
    golden = (
        "     1048576        262144     float     sum      -1"
        "    12.35   84.94  148.64    N/A    12.35   84.94  148.64    N/A"
    )
    assert nccl_format.row(MEASURED, Flags()) == golden
    checked = nccl_format.row(replace(MEASURED, wrong=1000003), Flags())
    assert checked.endswith("  84.94  148.64   1e+06")


def test_rows_with_statistics_of_iterations_have_four_more_columns() -> None:
    row = nccl_format.row(MEASURED, Flags(per_iter_timing=1))
    assert row.endswith("    N/A    12.35    12.35    12.35     0.00")
    assert len(row.split()) == 5 + 2 * (4 + 4)


def test_a_time_stamp_ends_the_row() -> None:
    row = nccl_format.row(MEASURED, Flags(report_timestamps=1))
    assert datetime.strptime(row[-19:], "%Y-%m-%d %H:%M:%S")
    assert row[-21:-19] == "  "


def test_the_first_lines_are_golden() -> None:
    flags = Flags(ranks=16, minbytes=8, maxbytes=1 << 30, stepfactor=2)
    assert nccl_format.header(flags, "all_reduce_perf", [DEVICE], ["ours"])[:8] == [
        "# nccl-tests version 2.19.6 nccl-headers=0 nccl-library=0",
        "# Collective test starting: all_reduce_perf",
        "# nThread 1 nGpus 16 minBytes 8 maxBytes 1073741824 step: 2(factor) warmup iters: 1 "
        "iters: 20 agg iters: 1 validation: 0 graph: 0 unalign: 0",
        "#",
        "# Using devices",
        "#  Rank  3 Group  0 Pid     77 on      node0 device  3 [0000:03:00] x y",
        "# ours",
        "#",
    ]


def test_without_a_factor_the_step_is_in_bytes() -> None:
    assert " step: 1048576(bytes) " in nccl_format.header(Flags(), "x", [], [])[2]


def test_the_footer_is_golden() -> None:
    found = nccl_format.summary([replace(MEASURED, busbw=32.35201234e9)])
    assert nccl_format.footer(found, "all_reduce_perf") == [
        "# Out of bounds values : 0 OK",
        "# Avg bus bandwidth    : 32.352 ",
        "#",
        "# Collective test concluded: all_reduce_perf",
        "#",
        "",
    ]


@pytest.mark.parametrize(
    ("least", "verdict", "passed"),
    [("100", "OK", True), ("166", "FAILED", False), ("165 GB/s", "OK", True), ("none", "OK", True)],
)
def test_a_least_bandwidth_is_judged_within_ten_percent(
    least: str, verdict: str, passed: bool
) -> None:
    found = nccl_format.summary([MEASURED], least)
    assert nccl_format.footer(found, "x")[1] == f"# Avg bus bandwidth    : 148.636 {verdict}"
    assert found.passed is passed


def test_wrong_data_fails() -> None:
    found = nccl_format.summary([replace(MEASURED, wrong=3), replace(MEASURED, wrong=0)])
    assert nccl_format.footer(found, "x")[0] == "# Out of bounds values : 1 FAILED"
    assert not found.passed


def test_a_public_parser_reads_all_of_it() -> None:
    rows = [MEASURED, replace(MEASURED, size=0, count=0, algbw=0.0, busbw=0.0, time=1.0)]
    text = "\n".join(
        [
            *nccl_format.header(Flags(), "all_reduce_perf", [DEVICE], ["ours"]),
            *(nccl_format.row(row, Flags()) for row in rows),
            *nccl_format.bounds(rows),
            *nccl_format.footer(nccl_format.summary(rows), "all_reduce_perf"),
        ]
    )
    first, second = parse(text)
    assert (first["size"], first["out_busbw"], first["in_wrong"]) == ("1048576", "148.64", "N/A")
    assert (second["size"], second["in_time"]) == ("0", "1000000")
    assert AVERAGE.findall(text) == ["74.318"]
    assert OUT_OF_BOUNDS.findall(text) == [("0", "OK")]


def test_what_bounds_a_row_is_said_beside_it() -> None:
    line = nccl_format.bounds([MEASURED])[-2]
    assert line.split(maxsplit=6) == [
        "#", "1048576", "12.00", "97.2", "0.010", "ring", "link a->b",
    ]  # fmt: skip


def written(flags: Flags, rows: list[Measurement], least: str | None = None) -> dict[str, Any]:
    """The JSON report, read back."""
    environment = {"HOME": "/root", "SECRET": "x", "NCCL_TESTS_MIN_BW": "1"}
    found = nccl_format.summary(rows, least)
    text = nccl_format.report(
        flags, ["a", "b"], environment, [DEVICE], rows, found, datetime(2026, 1, 2, 3, 4, 5)
    )
    content = json.loads(text)
    assert isinstance(content, dict)
    return content


def test_json_has_nccl_tests_keys_in_its_order() -> None:
    content = written(Flags(stepfactor=2), [MEASURED])
    assert list(content) == [
        "version", "start_time", "args", "env", "nccl_version", "config", "results",
        "out_of_bounds", "average_bus_bandwidth", "errors", "end_time",
    ]  # fmt: skip
    assert content["version"] == 3
    assert content["start_time"] == "2026-01-02 03:04:05"
    assert content["config"] == {
        "nthreads": 1, "ngpus": 8, "minimum_bytes": 33554432, "maximum_bytes": 33554432,
        "step_factor": 2, "warmup_iters": 1, "iterations": 20, "aggregated_iterations": 1,
        "validation": 0, "graph": 0, "blocking_collectives": "false", "per_iter_timing": "false",
        "per_iter_skip": 0, "parallel_init": "false",
        "devices": [
            {"rank": 3, "group": 0, "pid": 77, "hostname": "node0", "device": 3,
             "device_hex": "0000:03:00", "device_info": "x y"},
        ],
    }  # fmt: skip
    half = {"time": 12.3456, "alg_bw": 84.935, "bus_bw": 148.636, "nwrong": None}
    assert content["results"] == [
        {"size": 1048576, "count": 262144, "type": "float", "redop": "sum", "root": "    -1",
         "out_of_place": half, "in_place": half, "actual_iterations": 20, "experiment_name": ""},
    ]  # fmt: skip
    assert content["out_of_bounds"] == {"count": 0, "okay": "true"}
    assert content["average_bus_bandwidth"] == {"bandwidth": 148.636, "okay": "unchecked"}
    assert content["errors"] == []


def test_json_carries_no_secrets_of_the_shell() -> None:
    assert written(Flags(), [MEASURED])["env"] == ["NCCL_TESTS_MIN_BW=1"]


def test_what_took_no_time_has_no_bandwidth() -> None:
    free = replace(MEASURED, time=0.0, algbw=None, busbw=None, bound=0.0)
    (row,) = parse(nccl_format.row(free, Flags()))
    assert (row["out_time"], row["out_algbw"], row["in_busbw"]) == ("0.00", "N/A", "N/A")
    assert nccl_format.bounds([free])[-2].split()[:4] == ["#", "1048576", "0.00", "N/A"]
    content = written(Flags(), [free], "1")
    assert content["average_bus_bandwidth"] == {"bandwidth": None, "okay": "false"}
    assert content["results"][0]["in_place"] == {
        "time": 0.0, "alg_bw": None, "bus_bw": None, "nwrong": None,
    }  # fmt: skip
    both = nccl_format.summary([free, MEASURED])
    assert nccl_format.footer(both, "x")[1] == "# Avg bus bandwidth    : 148.636 "


def test_json_has_every_iteration_where_asked_for() -> None:
    flags = Flags(iters=3, per_iter_timing=1, per_iter_skip=1)
    (result,) = written(flags, [MEASURED])["results"]
    assert result["in_place_per_iter"] == result["out_of_place_per_iter"]
    assert result["in_place_per_iter"]["times_us"] == [12.3456] * 3
    assert result["in_place_per_iter"]["skipped_iterations"] == 1
    assert result["in_place_per_iter"]["cv_pct"] == 0.0


def test_a_report_overwrites_nothing(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        with records.reserved(str(tmp_path / "r.json")) as file:
            assert file is not None
            file.write("{}")
            names.append(Path(file.name).name)
    assert names == ["r.json", "r.json.0", "r.json.1"]


def test_a_report_that_came_to_nothing_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), records.reserved(str(tmp_path / "r.json")):
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []
