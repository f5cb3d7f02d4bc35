"""Routings in the files of torch's programs: what is read, and what is refused."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from collectives.moe import from_file
from collectives.moe.routing.routing import RoutingError
from topology.errors import TriplaneError
from topology.files.safetensors import read_safetensors

TABLE = np.array([[[0, 5], [2, 1]], [[3, -1], [4, 0]]], np.int32)


def saved(folder: Path, metadata: dict[str, str] | None = None, **arrays: NDArray[Any]) -> Path:
    """A file as the package ``safetensors`` writes it: its header is padded with blanks."""
    names = {np.dtype("<i4"): "I32", np.dtype("<i8"): "I64", np.dtype("<f4"): "F32"}
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, one in arrays.items():
        end = len(data) + one.nbytes
        header[name] = {"dtype": names[one.dtype], "shape": list(one.shape),
                        "data_offsets": [len(data), end]}  # fmt: skip
        data += one.tobytes()
    return written(folder, json.dumps(header), data)


def written(folder: Path, header: str, data: bytes = b"") -> Path:
    text = header.encode()
    text += b" " * (-len(text) % 8)
    path = folder / "given.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_safetensors_are_read_without_the_package(tmp_path: Path) -> None:
    weights = np.ones((2, 2, 2), np.float32)
    path = saved(tmp_path, {"experts": "8"}, topk_weights=weights, topk_ids=TABLE)
    found = from_file(path)
    assert (found.ranks, found.experts, found.top_k) == (2, 8, 2)
    assert [one.tolist() for one in found.topk_idx] == TABLE.tolist()
    one_rank = from_file(saved(tmp_path, topk_idx=TABLE[0].astype(np.int64)), 6)
    assert (one_rank.ranks, one_rank.experts) == (1, 6)
    only = from_file(saved(tmp_path, logits=weights, chosen=TABLE), 6)
    assert only.ranks == 2


OF_THE_PACKAGE = (
    "aAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJleHBlcnRzIjoiNCJ9LCJ0b3BrX2lkeCI6eyJkdHlwZSI6"
    "IkkzMiIsInNoYXBlIjpbMSwyLDJdLCJkYXRhX29mZnNldHMiOlswLDE2XX19ICAgICAgIAAAAAABAAAA"
    "AgAAAAMAAAA="
)
"""What safetensors 0.8.0 writes of int32 [1, 2, 2] with the metadata experts, in base64."""


def test_what_the_package_itself_has_written(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(base64.b64decode(OF_THE_PACKAGE))
    found = from_file(path)
    assert found.experts == 4
    assert [one.tolist() for one in found.topk_idx] == [[[0, 1], [2, 3]]]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{", "header is no JSON: line 1"),
        ("[]", "its header is \\[\\]"),
        ('{"a": 3}', "a is 3; dtype, shape and data_offsets are expected"),
        ('{"a": {"dtype": "I32", "shape": [1, -1], "data_offsets": [0, 8]}}', "shape and data"),
        ('{"a": {"dtype": "I32", "shape": [2, 2], "data_offsets": [0, 8]}}', "bytes 0 to 8 are"),
        ('{"a": {"dtype": "I32", "shape": [9, 9], "data_offsets": [0, 324]}}', "are not I32"),
        ('{"a": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]}}', "no tensor topk_idx"),
        ('{"__metadata__": {"experts": "x"}, "a": {"dtype": "I32", "shape": [1, 2],'
         ' "data_offsets": [0, 8]}}', "experts is 'x'; a whole number"),
    ],
)  # fmt: skip
def test_wrong_safetensors_are_refused(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(RoutingError, match=said):
        from_file(written(tmp_path, header, bytes(8)), 4)


def test_a_header_that_does_not_fit_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "given.safetensors"
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    with pytest.raises(TriplaneError, match="its header does not fit into it"):
        read_safetensors(path, TriplaneError, 1 << 20)
    path.write_bytes(b"12")
    with pytest.raises(TriplaneError, match="its header does not fit into it"):
        read_safetensors(path, TriplaneError, 1 << 20)


def test_torch_files_of_tensors_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "given.pt"
    torch.save({"topk_ids": torch.tensor(TABLE), "experts": torch.tensor(8)}, path)
    found = from_file(path)
    assert found.experts == 8
    assert [one.tolist() for one in found.topk_idx] == TABLE.tolist()
    torch.save(torch.tensor(TABLE[0]), path)
    assert from_file(path, 8).ranks == 1


class Opens:
    """What a pickle would do to whoever loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_torch_files_that_would_run_code_are_refused_and_do_not(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "given.pt"
    torch.save({"topk_ids": Opens(tmp_path / "ran")}, path)
    with pytest.raises(RoutingError, match=r"given.pt: it is no file of tensors alone: Weights"):
        from_file(path, 8)
    assert not (tmp_path / "ran").exists()
    path.write_bytes(b"no zip")
    with pytest.raises(RoutingError, match="it is no file of tensors alone"):
        from_file(path, 8)
