"""Ranks of the tests of adapters, in eager time, and what all of them are told of a mistake."""

import functools
import re
from collections.abc import Callable
from typing import Any

from collectives.moe import TokenError
from fabric.failure import RankFailed
from fabric.launching.launch import launch as unlimited

launch = functools.partial(unlimited, sync="eager", timeout=120.0)


def every_rank_is_told(
    main: Callable[..., Any], ranks: int, guilty: int, words: str, args: tuple[Any, ...]
) -> None:
    """``main`` fails at ``guilty``: a `TokenError` there, and the same words at all others."""
    outcomes = launch(main, ranks, args=args, return_exceptions=True)
    wanted = [TokenError if rank == guilty else RankFailed for rank in range(ranks)]
    assert [type(each) for each in outcomes] == wanted, outcomes
    for outcome in outcomes:
        assert re.search(words, str(outcome)), outcome
