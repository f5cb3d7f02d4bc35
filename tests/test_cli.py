"""The command line: what it prints, writes and refuses; in process, and a few times for real."""

import csv
import io
import json
import logging
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bench.cli import BENCHMARKS, COLLECTIVES, main
from bench.options import MAX_BYTES, parse_size
from bench.records import Record, as_text, progress
from topology import from_toml, star

ROOT = Path(__file__).parents[1]
IDEAL = ["--system", "star:8", "--software", "raw"]


def run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    """The outcome of ``triplane`` with these arguments."""
    return CliRunner().invoke(main, arguments, env=environment, prog_name="triplane")


def bench(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    """The outcome of ``triplane bench`` on the ideal fabric of 8 hosts; it must succeed."""
    result = run("bench", *arguments, *IDEAL, environment=environment)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result


def rows(text: str) -> list[list[str]]:
    """The table's rows: what is no comment."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return [line for line in lines if line]


def refused(*arguments: str, code: int = 2) -> str:
    """The one line with which ``triplane`` refuses these arguments."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("triplane: error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("text", "size"),
    [("8", 8), ("1K", 1024), ("1k", 1024), ("1.5K", 1536), (" 32M ", 32 << 20), ("1G", 1 << 30),
     ("1 G", 1 << 30), ("2GB", 2 << 30), ("2GiB", 2 << 30), (".5K", 512), ("1e3", 1000),
     ("1048576G", MAX_BYTES), ("0", 0), ("0K", 0), ("0.5", 0)],
)  # fmt: skip
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1E", "1T", "K", "1e", "1e18", "10**3", "nan", "1048577G", "9" * 400],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_size(text)


@pytest.mark.parametrize("op", COLLECTIVES)
def test_every_collective_prints_a_table_of_nccl_tests(op: str) -> None:
    text = bench(op, "-b", "4K", "-e", "16K", "-f", "2").stdout
    assert text.startswith("# nccl-tests version ")
    assert len(rows(text)) == (1 if op == "barrier" else 3)
    assert all(len(row) == 13 for row in rows(text))
    assert text.endswith("_perf\n#\n\n")
    assert "# Out of bounds values : 0 OK\n" in text


def test_nothing_is_validated_so_nothing_is_said_to_be_right() -> None:
    text = bench("all_reduce", "-c", "1").stdout
    assert " validation: 0 " in text
    assert [row[8] for row in rows(text)] == [row[12] for row in rows(text)] == ["N/A"]


def test_flags_without_a_meaning_are_named() -> None:
    text = bench("all_reduce", "-G", "2", "-w", "5", "-z", "1", "-p", "0").stdout
    assert "# No meaning in a simulation: -z 1, -G 2, -w 5\n" in text


def test_long_names_are_nccl_tests() -> None:
    short = bench("reduce", "-b", "1K", "-e", "2K", "-f", "2", "-n", "5", "-r", "1", "-d", "half")
    long = bench(
        "reduce", "--minbytes", "1K", "--maxbytes=2K", "--stepfactor", "2", "--iters", "5",
        "--root", "1", "--datatype", "half",
    )  # fmt: skip
    assert rows(short.stdout) == rows(long.stdout)
    assert rows(short.stdout)[0][:5] == ["1024", "512", "half", "sum", "1"]


def test_json_records_carry_units_in_their_keys() -> None:
    records = json.loads(
        bench("all_gather", "-b", "1M", "-e", "2M", "-f", "2", "--format", "json").stdout
    )
    first = records[0]
    assert [record["size_bytes"] for record in records] == [1 << 20, 1 << 21]
    assert first["op"] == "all_gather"
    assert (first["system"], first["software"], first["ranks"]) == ("star:8", "raw", 8)
    assert first["algbw_GBps"] == pytest.approx(first["size_bytes"] / first["time_us"] / 1e3)
    assert first["busbw_GBps"] == pytest.approx(first["algbw_GBps"] * 7 / 8)
    assert first["bound_us"] <= first["time_us"] * (1 + 1e-9)
    assert {"algorithm", "bottleneck", "host_time_s", "engine", "transport"} <= set(first)


def test_csv_has_the_same_columns() -> None:
    """But for the machine, which is no value of a cell."""
    arguments = ("send_recv", "-b", "1M", "-e", "1M", "--format")
    (record,) = json.loads(bench(*arguments, "json").stdout)
    (row,) = csv.DictReader(io.StringIO(bench(*arguments, "csv").stdout))
    assert list(row) == [key for key in record if key != "machine"]
    assert float(row["time_us"]) == record["time_us"]


def test_what_is_unknown_is_null_in_json_and_empty_in_csv() -> None:
    records: list[Record] = [{"a": math.nan, "b": None}, {"a": math.inf, "c": "x"}]
    assert json.loads(as_text(records, "json")) == [{"a": None, "b": None}, {"a": None, "c": "x"}]
    assert as_text(records, "csv") == "a,b,c\n,,\n,,x\n"
    assert as_text(records, "table") == "  a  b  c\nnan  -  -\ninf  -  x\n"


def test_all_algorithms_make_one_table() -> None:
    text = bench("all_to_all", "-b", "1M", "-e", "1M", "--algorithms", "all").stdout
    head, *found = text.splitlines()
    assert head.split()[:5] == ["op", "system", "software", "ranks", "size_bytes"]
    assert {line.split()[9] for line in found} >= {"direct", "pairwise", "bruck"}
    two = bench("all_to_all", "--algorithm", "bruck,direct", "--format", "json").stdout
    assert [record["algorithm"] for record in json.loads(two)] == ["bruck", "direct"]


def test_output_goes_to_the_file_and_nowhere_else(tmp_path: Path) -> None:
    for form in ("table", "json"):
        path = tmp_path / form
        result = bench("all_reduce", "--format", form, "--output", str(path))
        assert result.stdout == ""
        assert path.read_text()
    assert len(rows((tmp_path / "table").read_text())) == 1


def test_the_json_of_nccl_tests_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    text = bench("all_reduce", "-b", "1M", "-e", "1M", "-J", str(path)).stdout
    assert text.startswith(f"# Writing JSON output to {path}\n# nccl-tests version")
    content = json.loads(path.read_text())
    assert content["version"] == 3
    assert len(content["config"]["devices"]) == 8
    (result,) = content["results"]
    assert f"{result['out_of_place']['time']:.2f}" == rows(text)[0][5]


def test_a_plot_and_a_trace_are_written(tmp_path: Path) -> None:
    plot, trace = tmp_path / "p.svg", tmp_path / "t.json"
    bench(
        "all_reduce", "-b", "1K", "-e", "1M", "-f", "32", "--plot", str(plot), "--trace", str(trace)
    )
    assert "<svg" in plot.read_text()
    slices = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    sent = [event["args"]["sent_bytes"] for event in slices if "sent_bytes" in event["args"]]
    assert sum(sent) == 2 * 7 << 20
    assert sum(event["args"].get("bytes", 0) for event in slices) == sum(sent)


def test_nccl_tests_least_bandwidth_decides_the_exit_code() -> None:
    for least, code in (("1", 0), ("1000", 1)):
        result = run("bench", "send_recv", *IDEAL, environment={"NCCL_TESTS_MIN_BW": least})
        assert result.exit_code == code
        assert ("FAILED" in result.stdout) == bool(code)


def test_a_matrix_file_sets_the_traffic(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_text("0 1600\n3200 0\n")
    summary = {"NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY": "1"}
    text = bench("all_to_all_v", "--ranks", "2", "--matrix", str(path), environment=summary).stdout
    assert rows(text)[0][:2] == ["3200", "0"]
    assert "#   rank=1 send_bytes=3200 recv_bytes=1600 " in text
    given = {"NCCL_TESTS_ALLTOALLV_MATRIX_FILE": str(path)}
    by_variable = bench("all_to_all_v", "--ranks", "2", environment=given).stdout
    assert rows(by_variable)[0][:6] == rows(text)[0][:6]


def test_timestamps_end_the_rows() -> None:
    (row,) = rows(bench("all_reduce", "-S", "1").stdout)
    assert len(row) == 15


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--system", "cloudmatrx384"], ["cloudmatrx384", "cloudmatrix384", "dgx_h800"]),
        (["--ranks", "9"], ["9 ranks", "star:8", "8 places"]),
        (["--ranks", "0"], ["--ranks", "0"]),
        (["-g", "3", "-t", "2", "--ranks", "7"], ["--ranks is 7", "6"]),
        (["-b", "0", "-f", "2"], ["-b 0", "-f 2"]),
        (["-e", "1000000000000000000"], ["-e", "1000000000000000000", str(MAX_BYTES)]),
        (["-e", "1E"], ["-e", "'1E'", "K, M or G"]),
        (["-b", "2M", "-e", "1M"], ["-b is 2097152", "-e, 1048576"]),
        (["-b", "64M"], ["-b is 67108864", "-e, 33554432"]),
        (["-b", "1", "-i", "0"], ["-i 0", "-b 1"]),
        (["-b", "0", "-e", "1G", "-i", "1", "-f", "1"], ["-i 1", "1073741824"]),
        (["-n", "09"], ["-n", "'09'"]),
        (["-n", "0"], ["-n", "0"]),
        (["-N", "0"], ["-N", "0"]),
        (["-d", "quad"], ["-d", "quad", "bfloat16"]),
        (["-o", "xor"], ["-o", "xor", "prod"]),
        (["-a", "4"], ["-a", "4"]),
        (["-C", "1"], ["-C 1"]),
        (["-D", "1"], ["-D"]),
        (["-K", "3"], ["-K is 3", "-I 1"]),
        (["-K", "20", "-I", "1"], ["-K is 20", "20"]),
        (["-J", "x.txt"], ["x.txt", ".json"]),
        (["-J", "x.json", "--format", "csv"], ["-J", "--format table"]),
        (["-I", "1", "--format", "json"], ["-I", "--format table"]),
        (["-S", "1", "--algorithm", "ring,direct"], ["-S", "--format table"]),
        (["--algorithm", "magic"], ["magic", "ring", "recursive_doubling"]),
        (["--software", "magic"], ["magic", "raw"]),
        (["--engine", "magic"], ["magic", "flow"]),
        (["--routing", "magic"], ["magic", "spray", "hash", "adaptive"]),
        (["--planes", "magic"], ["magic", "net"]),
        (["--planes", "net, net"], ["net, net", "twice"]),
        (["--without", "magic"], ["magic"]),
        (["--transport", "inproc", "-o", "mulsum"], ["mulsum", "real ranks"]),
        (["--transport", "magic"], ["magic", "inproc"]),
        *(
            (["--transport", "inproc", f"--{kind}", "x.svg"], [f"--{kind}", "inproc", "--trace"])
            for kind in ("timeline", "heatmap", "goal", "chakra")
        ),
        (["--matrix", "m"], ["all_reduce takes no --matrix"]),
        (["--format", "xml"], ["xml", "csv"]),
        (["--plot", "x.bmp"], ["x.bmp", ".svg"]),
        (["--plot", "/none/x.svg"], ["/none"]),
        (["--trace", "/none/x"], ["/none"]),
        (["--output", "/none/x"], ["/none"]),
        (["--output", "none/"], ["--output", "'none/'", "folder"]),
        (["--output", "-"], ["--output", "'-'", "/dev/stdout"]),
        (["--output", "x.json", "--trace", "./x.json"], ["--output", "--trace", "x.json"]),
        (["-J", "x.json", "--goal", "x.json"], ["-J", "--goal", "x.json"]),
        (["--plot", "x.0.svg", "--heatmap", "x.0.svg"], ["--plot", "--heatmap"]),
        (["--trace", "x.12.et", "--chakra", "x"], ["--trace", "--chakra", "x.12.et"]),
        *(
            ([option, ""], [option])
            for option in (
                "--output",
                "--trace",
                "--chakra",
                "--plot",
                "-J",
                "--planes",
                "--rank-table",
                "--software",
                "--algorithm",
                "--matrix",
                "--without",
            )
        ),
        (["--magic"], ["--magic"]),
        (["magic"], ["magic"]),
        (["-b"], ["-b"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_input_is_one_line_that_names_it(arguments: list[str], said: list[str]) -> None:
    line = refused("bench", "all_reduce", *IDEAL, *arguments)
    assert [part for part in said if part not in line] == []


@pytest.mark.parametrize(
    ("flags", "sizes"),
    [("-b 8 -e 24 -i 8 -f 1", [8, 16, 24]), ("-b 0 -e 16 -i 8", [0, 8, 16]),
     ("-b 0 -e 16 -i 8 -f 0", [0, 8, 16]), ("-b 010 -e 20 -f 0X2", [10, 20]),
     ("-b 8 -e 8 -i 0", [8]), ("-b 8 -e 100 -f 0x3", [8, 24, 72]),
     ("-b 8 -e 100 -f 011", [8, 72])],
)  # fmt: skip
def test_sizes_go_on_as_in_nccl_tests(flags: str, sizes: list[int]) -> None:
    text = bench("all_reduce", "-d", "int8", *flags.split()).stdout
    assert [int(row[0]) for row in rows(text)] == sizes
    assert ("(factor)" in text) is ("-i" not in flags)


def test_nothing_takes_no_time_and_has_no_bandwidth(tmp_path: Path) -> None:
    """One rank, no bytes: 0 us, and what would be a division by 0 is blank, on real ranks too."""
    both = [f"--plot={tmp_path / 'p.svg'}", f"--trace={tmp_path / 't.json'}"]
    simulated = [f"--heatmap={tmp_path / 'h.svg'}", f"--timeline={tmp_path / 't.npz'}"]
    for op, *more in (
        ("all_reduce", *simulated), ("barrier", *simulated),
        ("all_to_all_v", "--transport", "inproc"),
    ):  # fmt: skip
        arguments = [op, *more, *both, "--ranks", "1", "-b", "0", "-e", "8", "-i", "8", "-n", "1"]
        found = json.loads(bench(*arguments, "--format", "json").stdout, parse_constant=pytest.fail)
        assert {row["time_us"] for row in found} == {0}
        assert {row["busbw_GBps"] for row in found} == {None}
        text = bench(*arguments).stdout
        assert not {"nan", "inf", "NaN"} & set(text.split())
        assert "# Avg bus bandwidth    : N/A" in text


def test_a_root_must_be_a_rank_where_there_is_one() -> None:
    assert "-r is 8" in refused("bench", "broadcast", *IDEAL, "-r", "8")
    assert "'x'" in refused("bench", "broadcast", *IDEAL, "-r", "x")
    assert "-2" in refused("bench", "broadcast", *IDEAL, "-r", "-2")
    bench("all_reduce", "-r", "8")
    assert len(rows(bench("broadcast", "-r", "all").stdout)) == 8


def test_unknown_commands_are_answered_with_the_choices() -> None:
    assert "there are bench, run, topo" in refused("magic")
    assert "all_reduce" in refused("bench", "magic")
    assert "show" in refused("topo", "magic")


def test_a_bad_matrix_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_text("0 1\n-1 0\n")
    line = refused("bench", "all_to_all_v", *IDEAL, "--ranks", "2", "--matrix", str(path))
    assert "row 1, column 0: '-1'" in line
    assert "cannot be read" in refused("bench", "all_to_all_v", *IDEAL, "--matrix", "none")


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "x.json"
    assert "gone" in refused("bench", "all_reduce", *IDEAL, "-J", str(gone), code=1)
    assert str(tmp_path) in refused("bench", "all_reduce", *IDEAL, "--trace", str(tmp_path))


def test_a_device_takes_several_files() -> None:
    bench("all_reduce", *IDEAL, "--output", os.devnull, "--trace", os.devnull)


def test_outputs_are_looked_at_before_the_work(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone" / "x.svg")
    for command in ("topo draw star:2 -o", "topo export star:2 --output", "view star:2 -o"):
        assert "there is no folder" in refused(*command.split(), gone)
    for option in ("--output", "--trace", "--goal", "--chakra"):
        assert option in refused("bench", "trace", "x.goal", option, gone)
    assert "--trace and --goal" in refused("bench", "trace", "x", "--goal", "y", "--trace", "./y")


def test_seconds_are_a_number_above_0() -> None:
    for text in ("nan", "0", "-1", "x"):
        assert text in refused("run", "--timeout", text, "x.py")
    for text in ("nan", "0"):
        assert text in refused("bench", "paced", "--scale", text)


def test_an_algorithm_without_a_collective_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.goal"
    path.write_text("num_ranks 1\nrank 0 {\nl1: calc 5\n}\n")
    assert "--algorithm ring" in refused("bench", "trace", str(path), "--algorithm", "ring")
    for name in ("", "."):
        assert "prefix" in refused("bench", "trace", name)


def test_what_a_rank_table_cannot_be_names_it(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    device = {"device_id": "0", "rank_id": "0"}
    path.write_text(json.dumps({"server_list": [{"server_id": "a", "device": [device]}]}))
    placed = ("--rank-table", str(path), "--system", "star:8")
    assert str(path) in refused("bench", "all_reduce", "--ranks", "2", *placed)
    assert "rank table" in refused("bench", "moe", "--ep", "8", *placed)
    device["device_id"] = "9"
    path.write_text(json.dumps({"server_list": [{"server_id": "a", "device": [device]}]}))
    assert str(path) in refused("bench", "all_reduce", "--ranks", "1", *placed)


def test_help_is_there_at_every_level() -> None:
    assert run().exit_code == run("--help").exit_code == run("bench", "-h").exit_code == 0
    text = run("bench", "--help").stdout
    assert all(name in text for name in (*COLLECTIVES, *BENCHMARKS))
    for op in COLLECTIVES:
        assert "--stepfactor" in run("bench", op, "--help").stdout
    assert run("--version").stdout.startswith("triplane 0.")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_for_people_who_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    piped, watched = io.StringIO(), Screen()
    monkeypatch.setattr(sys, "stderr", piped)
    assert list(progress(range(3), "counting")) == [0, 1, 2]
    assert piped.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", watched)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress(range(3), "counting", 3)) == [0, 1, 2]
    assert "counting" in watched.getvalue()


# triplane topo


def test_systems_are_listed() -> None:
    records = json.loads(run("topo", "list", "--format", "json").stdout)
    assert "cloudmatrix384" in {record["system"] for record in records}
    assert "cloudmatrix384" in run("topo", "list").stdout


def test_a_system_is_shown_by_its_planes() -> None:
    text = run("topo", "show", "cloudmatrix384").stdout
    assert "768 die" in text
    assert "ranks sit on 768" in text
    planes = json.loads(run("topo", "show", "cloudmatrix384", "--format", "json").stdout)
    by_name = {record["plane"]: record for record in planes}
    assert list(by_name) == ["package", "ub", "rdma", "vpc"]
    assert by_name["ub"]["port_GBps"] == pytest.approx(196)
    assert by_name["ub"]["non_blocking"] == "yes"


def test_what_is_taken_out_is_shown() -> None:
    text = run("topo", "show", "cloudmatrix384", "--without", "l2.3.*", "--without", "node0").stdout
    assert "without    l2.3.*, node0" in text
    assert "ranks sit on 752" in text
    assert "magic" in refused("topo", "show", "star:8", "--without", "magic")


def test_a_system_is_exported_for_other_tools(tmp_path: Path) -> None:
    import networkx as nx

    assert from_toml(run("topo", "export", "star:4").stdout).equals(star(4))
    path = tmp_path / "star.graphml"
    run("topo", "export", "star:4", "--format", "graphml", "--output", str(path))
    graph = nx.read_graphml(path, force_multigraph=True)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (5, 8)
    data = json.loads(run("topo", "export", "star:4", "--format", "json").stdout)
    assert nx.node_link_graph(data, edges="edges").number_of_edges() == 8
    assert "magic" in refused("topo", "export", "magic")


def test_an_exported_file_is_a_system(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    run("topo", "export", "star:4", "--output", str(path))
    result = run("bench", "all_reduce", "--system", str(path), "--software", "raw", "--ranks", "4")
    assert len(rows(result.stdout)) == 1


# As processes.


def started(*arguments: str) -> subprocess.Popen[str]:
    """A real Python with these arguments, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_python_m_bench_is_the_same_command() -> None:
    process = started("-m", "bench", "all_reduce", "-b", "1K", "-e", "1K", *IDEAL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert rows(out)[0][:2] == ["1024", "256"]


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'numba', 'matplotlib', 'networkx', 'rich', 'topology', 'fabric'}"
    code = f"""
import sys
from bench.cli import main
try:
    main(["bench", "--help"])
finally:
    print(sorted({heavy} & set(sys.modules)), file=sys.stderr)
"""
    out, err = started("-c", code).communicate(timeout=60)
    assert "all_to_all_v" in out
    assert err == "[]\n"


def endless() -> subprocess.Popen[str]:
    """A sweep that would print rows for hours."""
    return started("-m", "bench", "all_reduce", "-b", "8", "-e", "1G", "-i", "8", *IDEAL)


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = endless()
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().startswith("# nccl-tests")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)
    process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupt_is_quiet_and_says_130() -> None:
    process = endless()
    assert process.stdout
    while process.stdout.readline().startswith("#"):
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == ""


def test_a_terminal_hears_of_compiling_and_a_pipe_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("triplane.compiling")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "level", logging.NOTSET)
    run("--version")
    assert log.handlers == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        main.main(["--version"])
    log.info("compiling kernels")
    assert capsys.readouterr().err == "triplane: compiling kernels\n"
