"""Outcome: how a world of ranks has ended, and which of its errors was the first."""

import functools
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric.failure import RankFailed, WorldError

if TYPE_CHECKING:
    from fabric.launching.member import Member


@dataclass(frozen=True)
class Ended:
    """How a world has ended.

    ``outcomes``: what each rank returned, or the exception that it ended with. ``error``: what
    has ended the world before its time, if anything has.
    """

    outcomes: list[Any]
    error: WorldError | None

    def results(self) -> list[Any]:
        """What each rank returned; raises what went wrong first where a rank returned nothing."""
        if not any(isinstance(outcome, BaseException) for outcome in self.outcomes):
            return self.outcomes
        root = self.root()
        # An exit is the rank's own business: raised here it would end the launcher, too.
        raise root if isinstance(root, Exception) else self.cause()

    def cause(self) -> WorldError:
        """The same in words."""
        if self.error is not None:
            return self.error
        raised = ((r, o) for r, o in enumerate(self.outcomes) if isinstance(o, BaseException))
        rank, own = next(raised)
        return RankFailed(f"rank {rank} raised {type(own).__name__}: {own}", rank)

    def root(self) -> BaseException:
        """The cause, not its consequences, where a rank has not ended well."""
        error = self.error
        if error is None:
            return next(o for o in self.outcomes if isinstance(o, BaseException))
        if isinstance(error, RankFailed) and error.rank is not None:
            own = self.outcomes[error.rank]
            if isinstance(own, BaseException):
                return own
        return error


def outcome_of(
    main: Callable[..., Any], args: tuple[Any, ...], join: "functools._lru_cache_wrapper[Member]"
) -> Any:
    """What a rank returns from ``main(*args)``, or the exception that it ends with.

    ``join``: gives it its membership when it asks; what it has joined it also leaves. A
    ``sys.exit`` that tells of success is None.
    """
    error: BaseException | None = None
    outcome: Any = None
    try:
        outcome = main(*args)
    except BaseException as raised:
        error = None if isinstance(raised, SystemExit) and raised.code in (None, 0) else raised
    try:
        if join.cache_info().currsize:
            join().close(error)
    except BaseException as raised:
        error = error or raised
    return outcome if error is None else error


def portable(error: BaseException, rank: int) -> BaseException:
    """The exception as another process can have it, with the words of where it was raised."""
    where = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:
        error = RankFailed(f"rank {rank} raised {type(error).__name__}: {error}", rank)
    error.add_note(f"in rank {rank}:\n{where}")
    return error
