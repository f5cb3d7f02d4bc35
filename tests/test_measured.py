"""Others' printouts of measurements: what is read from them, and what is refused by its line."""

import json
from pathlib import Path

import pytest

from bench.measured.files import all_measured, measured
from bench.measured.setting import MeasuredError, Setting
from bench.published.rows import PublishedRow

OLD_NCCL = """\
# nThread 1 nGpus 2 minBytes 8 maxBytes 134217728 step: 2(factor) warmup iters: 5 iters: 20
#
# Using devices
#   Rank  0 Pid  12978 on     host1 device  0 [0x45] Card
#   Rank  1 Pid  12978 on     host1 device  1 [0xc4] Card
#
#                                                     out-of-place                       in-place
#       size         count    type   redop     time   algbw   busbw  error     time   algbw   busbw
#        (B)    (elements)                     (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
host1:3442:3442 [0] NCCL INFO Launch mode Parallel
           0             0   float     sum    35.20    0.00    0.00    N/A    34.05    0.00    0.00
           8             2   float     sum    25.34    0.00    0.00  0e+00    25.23    0.00    0.00
    33554432       8388608   float     sum    39235    0.86    0.86  0e+00    39141    0.86    0.86
# Out of bounds values : 0 OK
"""
NEW_NCCL = """\
   [1,0]<stdout>:# Collective test starting: alltoall_perf
   [1,0]<stdout>:# nThread 1 nGpus 1 minBytes 8 maxBytes 8589934592 step: 2(factor)
   [1,0]<stdout>:# Using devices
   [1,0]<stdout>:#  Rank  0 Group  0 Pid 202829 on  host1 device  0 [0009:01:00] Card
   [1,0]<stdout>:#  Rank  1 Group  0 Pid 202830 on  host1 device  1 [0019:01:00] Card
   [1,0]<stdout>:#  Rank  2 Group  0 Pid 154517 on  host2 device  0 [0009:01:00] Card
   [1,0]<stdout>:#  Rank  3 Group  0 Pid 154518 on  host2 device  1 [0019:01:00] Card
   [1,0]<stdout>:#       size         count      type   redop    root     time   algbw  busbw #wrong
   [1,0]<stdout>:    67108864       1048576     float    none      -1    236.2  284.13  266.37     0
"""
OSU = """\
mpirun -np 4 osu_allgather

# OSU MPI-CUDA Allgather Latency Test v7.4
# Datatype: MPI_CHAR.
# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
1024                   10.05              9.01             11.00        1000
2048                   10.84              9.02             12.00        1000

# OSU MPI Latency Test v5.8
# Size          Latency (us)
8                       1.34
"""
LOW_LATENCY = """\
Allocating buffer size: 2116.29 MB ...
[rank 1] Dispatch + combine bandwidth: 44.00 GB/s, avg_t=500.00 us, min_t=480.00 us, max_t=1 us
[rank 1] Dispatch bandwidth: 71.57 GB/s, avg_t=106.00 us | Combine bandwidth: 96 GB/s, avg_t=150 us
[rank 0] Dispatch bandwidth: 73.57 GB/s, avg_t=102.00 us | Combine bandwidth: 98 GB/s, avg_t=148 us
[rank 0] Dispatch send/recv time: 12.0 + 8.0 us | Combine send/recv time: 9.0 + 11.0 us
[rank 0] Dispatch bandwidth: 70.00 GB/s, avg_t=110.00 us | Combine bandwidth: 90 GB/s, avg_t=160 us
[rank 1] Dispatch bandwidth: 70.00 GB/s, avg_t=112.00 us | Combine bandwidth: 90 GB/s, avg_t=162 us
"""
NORMAL = """\
[config] num_tokens=2048, hidden=5120, num_topk_groups=4, num_topk=6
[tuning] SMs 24, NVL chunk 4, RDMA chunk 4: 6.46 GB/s (RDMA), 21.15 GB/s (NVL)
[tuning] Best dispatch (FP8): SMs 24, NVL chunk 28, RDMA chunk 16: 45.97 GB/s (RDMA), 150 GB/s (NVL)
[tuning] Best dispatch (BF16): SMs 24, NVL chunk 13, 483.86 GB/s (NVL), t: 640.59 us
[tuning] Best combine: SMs 24, RDMA chunk 8, 570 + 4566 us, 51.31 GB/s (RDMA), 9 GB/s (NVL)
"""


def read(folder: Path, text: str, setting: Setting | None = None) -> list[PublishedRow]:
    path = folder / "given.txt"
    path.write_text(text, encoding="utf-8")
    return measured(path, setting or Setting())


def asked(row: PublishedRow) -> tuple[object, ...]:
    return row.op, row.ranks, row.size or row.tokens, row.value, row.unit


def test_nccl_tests_text_names_its_operation_or_the_user_does(tmp_path: Path) -> None:
    old = read(tmp_path, OLD_NCCL, Setting("h100", op="all_reduce"))
    assert [asked(row) for row in old] == [
        ("all_reduce", 2, 8, 25.34, "us"), ("all_reduce", 2, 33554432, 39235.0, "us"),
    ]  # fmt: skip
    assert {row.system for row in old} == {"h100"}
    assert old[0].id == f"{tmp_path}/given.txt:12"
    new = read(tmp_path, NEW_NCCL)
    assert [asked(row) for row in new] == [("all_to_all", 4, 67108864, 236.2, "us")]
    with pytest.raises(MeasuredError, match=r"given.txt: line 12: .* --op NAME does: all_reduce"):
        read(tmp_path, OLD_NCCL)


def test_two_tables_in_one_file_are_of_their_own_operation(tmp_path: Path) -> None:
    found = read(tmp_path, f"# Collective test starting: all_reduce_perf\n{OLD_NCCL}{NEW_NCCL}")
    assert [(row.op, row.ranks) for row in found] == [
        ("all_reduce", 2), ("all_reduce", 2), ("all_to_all", 4),
    ]  # fmt: skip


def test_osu_counts_blocks_and_the_user_says_how_many_ranks(tmp_path: Path) -> None:
    found = read(tmp_path, OSU, Setting(ranks=4))
    assert [asked(row) for row in found] == [
        ("all_gather", 4, 4096, 10.05, "us"), ("all_gather", 4, 8192, 10.84, "us"),
        ("send_recv", 2, 8, 1.34, "us"),
    ]  # fmt: skip
    with pytest.raises(MeasuredError, match=r"line 6: OSU does not print .* --ranks N"):
        read(tmp_path, OSU)
    with pytest.raises(MeasuredError, match=r"line 1: the test Bandwidth is not read"):
        read(tmp_path, "# OSU MPI Bandwidth Test v7.5\n8  2.10\n")


def test_low_latency_rows_are_the_mean_over_the_ranks_of_each_run(tmp_path: Path) -> None:
    found = read(tmp_path, LOW_LATENCY)
    assert [(row.op, row.ranks, row.value) for row in found] == [
        ("dispatch", 2, 104.0), ("combine", 2, 149.0),
        ("dispatch", 2, 111.0), ("combine", 2, 161.0),
    ]  # fmt: skip
    assert {(row.tokens, row.hidden, row.top_k, row.experts) for row in found} == {
        (128, 7168, 8, 288)
    }
    told = read(tmp_path, LOW_LATENCY, Setting(tokens=64, experts=256, ranks=16))
    assert {(row.tokens, row.experts, row.ranks) for row in told} == {(64, 256, 16)}


def test_normal_mode_rows_are_the_bandwidth_that_limits(tmp_path: Path) -> None:
    found = read(tmp_path, NORMAL, Setting("h800", ranks=16))
    assert [(row.op, row.dispatch_dtype, row.value, row.unit) for row in found] == [
        ("dispatch", "fp8", 45.97, "GB/s"), ("dispatch", "bf16", 483.86, "GB/s"),
        ("combine", "", 51.31, "GB/s"),
    ]  # fmt: skip
    assert {(row.tokens, row.hidden, row.top_k, row.mode) for row in found} == {
        (2048, 5120, 6, "normal")
    }


def test_the_json_of_nccl_tests(tmp_path: Path) -> None:
    half = {"time": 12.5, "alg_bw": 1.0, "bus_bw": 1.0, "nwrong": "0"}
    report = {
        "version": 3, "args": ["./build/reduce_scatter_perf", "-b", "8"],
        "config": {"devices": [{"rank": rank} for rank in range(8)]},
        "results": [{"size": 4096, "count": 128, "out_of_place": half}],
    }  # fmt: skip
    assert [asked(row) for row in read(tmp_path, json.dumps(report))] == [
        ("reduce_scatter", 8, 4096, 12.5, "us")
    ]
    with pytest.raises(MeasuredError, match="no report of nccl-tests: it has no results"):
        read(tmp_path, "{}")


def test_a_table_needs_few_columns(tmp_path: Path) -> None:
    text = "op,ranks,size,tokens,value,unit\nallgather,8,1M,,20.5,us\nall_reduce,8,64K,,3,GB/s\n"
    text += "dispatch,16,,128,130,µs\n"
    found = read(tmp_path, text)
    assert [asked(row) for row in found] == [
        ("all_gather", 8, 1 << 20, 20.5, "us"), ("all_reduce", 8, 1 << 16, 3.0, "GB/s"),
        ("dispatch", 16, 128, 130.0, "us"),
    ]  # fmt: skip
    assert [row.metric for row in found] == ["latency", "algbw", "latency"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("op,ranks,size,value\n", "as CSV it has no column unit; it has op, ranks, size, value"),
        ("", "as CSV it has no column op"),
        ("op,value,unit,rank\nx,1,us,2\n", "line 1: no column 'rank'; .* near it: ranks"),
        ("op,value,unit\nall_reduce,1\n", "line 2: it has 2 cells, the header 3"),
        ("op,ranks,size,value,unit\nall_redus,8,1K,3,us\n", "line 2: no operation 'all_redus'"),
        ("op,ranks,size,value,unit\nall_reduce,8,1K,-3,us\n", "line 2: '-3' is no number above 0"),
        ("op,ranks,size,value,unit\nall_reduce,8,1K,3,s/GB\n", "line 2: algbw in 's/GB'; it can"),
        ("op,ranks,size,value,unit\nall_reduce,8,big,3,us\n", "size is 'big', no whole number"),
        ("op,ranks,size,value,unit\nall_reduce,1,1K,3,us\n", "line 2: it has 1 ranks; --ranks N"),
        ("op,ranks,size,value,unit\nall_reduce,8,,3,us\n", "line 2: all_reduce needs a size"),
        ("op,ranks,value,unit\ndispatch,8,3,us\n", "line 2: dispatch needs --tokens"),
        ("op,ranks,size,value,unit,use\nall_reduce,8,1K,3,us,fit\n", "use is 'fit'; it has to be"),
        ("op,ranks,size,value,unit\n", "has no measurement in it"),
        (NEW_NCCL.replace("236.2  284.13  266.37     0", ""), "line 9: the row ends before"),
        (NEW_NCCL.replace("236.2", "fast"), "line 9: 'fast' is no number above 0"),
        ("[tuning] Best combine: SMs 24\n", "line 1: the best combine has no bandwidth"),
    ],
)
def test_wrong_files_are_named_by_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MeasuredError, match=said):
        read(tmp_path, text)


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(NEW_NCCL, "utf-8")
    (tmp_path / "b").write_text(OSU, "utf-8")
    found = all_measured([tmp_path / "a", tmp_path / "b"], Setting(ranks=8))
    assert [row.id.rpartition("/")[2] for row in found] == ["a:9", "b:6", "b:7", "b:11"]
