"""A part of torch's own `DistributedTest` over this backend; ``make test-torch`` runs all of it.

It runs by two names of torch's own backends, as some tests are for these only.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.support.torch_suite import NEVER, Suite, documented, excluded, is_alone, names, suite

RANKS = 4
AS_GLOO = (
    "test_Backend_enum_class", "test_accumulate_gradients_no_sync",
    "test_accumulate_gradients_no_sync_allreduce_with_then_hook", "test_all_gather",
    "test_all_gather_coalesced_complex", "test_all_gather_coalesced_simple",
    "test_all_gather_coalesced_with_empty", "test_all_gather_complex",
    "test_all_gather_full_group", "test_all_gather_object_default_pg",
    "test_all_gather_object_subgroup", "test_all_reduce_coalesced_full_group_sum",
    "test_all_reduce_coalesced_max", "test_all_reduce_coalesced_product",
    "test_all_reduce_complex_unsupported_ops", "test_all_reduce_max", "test_all_reduce_min",
    "test_all_reduce_product", "test_all_reduce_sum", "test_all_reduce_sum_async",
    "test_all_reduce_sum_complex", "test_barrier", "test_barrier_full_group",
    "test_barrier_timeout_global", "test_batch_isend_irecv_gloo",
    "test_batch_isend_irecv_gloo_tags", "test_broadcast", "test_broadcast_full_group",
    "test_destroy_group", "test_gather", "test_gather_object", "test_get_rank", "test_irecv",
    "test_isend", "test_isend_autograd_profiler", "test_monitored_barrier_gloo",
    "test_reduce_max", "test_reduce_sum", "test_scatter", "test_scatter_complex",
    "test_scatter_object_list", "test_send_recv", "test_send_recv_any_source",
    "test_send_recv_with_tag", "test_sparse_all_reduce_sum", "test_static_graph_api_cpu",
)  # fmt: skip
AS_MPI = (
    "test_all_gather_group", "test_all_reduce_group_sum", "test_all_to_all",
    "test_all_to_all_complex", "test_all_to_all_group", "test_all_to_all_single_equal_split",
    "test_all_to_all_single_equal_split_complex", "test_all_to_all_single_equal_split_group",
    "test_all_to_all_single_unequal_split", "test_all_to_all_single_unequal_split_group",
    "test_barrier_group", "test_broadcast_group", "test_gather_group", "test_reduce_group_max",
    "test_scatter_group",
)  # fmt: skip
KNOWN = set(names())


@pytest.fixture(scope="module")
def as_gloo() -> Iterator[Suite]:
    with suite("gloo", RANKS) as made:
        yield made


@pytest.fixture(scope="module")
def as_mpi() -> Iterator[Suite]:
    with suite("mpi", RANKS) as made:
        yield made


def in_order(tests: Sequence[str]) -> list[str]:
    """Those that torch has; last those that need a world of their own, or the next ones do, too."""
    return sorted(KNOWN.intersection(tests), key=lambda test: (is_alone(test), test))


@pytest.mark.parametrize("test", in_order(AS_GLOO))
def test_of_torch(as_gloo: Suite, test: str) -> None:
    how, about = as_gloo.run(test)
    assert how == "passed", about


@pytest.mark.parametrize("test", in_order(AS_MPI))
def test_of_torch_for_more_backends(as_mpi: Suite, test: str) -> None:
    how, about = as_mpi.run(test)
    assert how == "passed", about


def test_most_of_these_are_there() -> None:
    assert len(KNOWN.intersection((*AS_GLOO, *AS_MPI))) > 50


def test_the_docs_have_the_reasons_for_which_tests_are_never_run() -> None:
    rows = documented()
    assert set(rows) == set(NEVER)
    left_out = Counter(excluded(test, "triplane") for test in KNOWN)
    assert rows["needs torchvision"] == left_out.pop("needs torchvision")
    del left_out[""]
    assert rows["needs CUDA: tensors or models on a GPU, or NCCL"] >= left_out.total() > 0
    assert all(why.startswith("needs CUDA") for why in left_out)
