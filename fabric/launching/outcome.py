"""How a world of ranks has ended, and which of its errors was the first."""

import functools
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric.failure import RankFailed, RankLost, WorldError, exit_code, in_words

if TYPE_CHECKING:
    from fabric.launching.member import Member


@dataclass(frozen=True, slots=True)
class Returned:
    """An exception that a rank has returned as its result, and not raised."""

    value: BaseException


@dataclass(frozen=True)
class Exit:
    """How programs have ended: ``error`` where not well, and the ``code`` for a shell.

    ``lost``: in words, which ranks were lost, where the others went on without them.
    """

    error: WorldError | None = None
    code: int = 0
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorldEnded:
    """How a world has ended.

    ``outcomes``: what each rank returned, or the exception that it ended with; an exception that it
    returned is `Returned`. ``error``: what has ended the world early, None if nothing has.
    """

    outcomes: list[Any]
    error: WorldError | None

    def results(self) -> list[Any]:
        """A list of what each rank returned.

        Raises the first failure if any rank did not return.
        """
        if not any(isinstance(outcome, BaseException) for outcome in self.outcomes):
            return self.handed_over()
        root = self.root()
        # An exit is the rank's own business: raised here it would end the launcher, too.
        raise root if isinstance(root, Exception) else self.cause()

    @property
    def losses(self) -> tuple[str, ...]:
        """In words, which ranks have not returned, and why."""
        raised = ((r, o) for r, o in enumerate(self.outcomes) if isinstance(o, BaseException))
        return tuple(
            str(own if isinstance(own, RankLost) and own.rank == rank else raised_by(rank, own))
            for rank, own in raised
        )

    @property
    def any_returned(self) -> bool:
        """Whether any rank has ended well."""
        return not all(isinstance(outcome, BaseException) for outcome in self.outcomes)

    def handed_over(self) -> list[Any]:
        """A list of what each rank returned or raised.

        Exceptions that were returned look like raised ones.
        """
        return [each.value if isinstance(each, Returned) else each for each in self.outcomes]

    def cause(self) -> WorldError:
        """The outcome as one error, for a message.

        Of a rank's own exception, the `RankFailed` that names it.
        """
        if self.error is not None:
            return self.error
        raised = ((r, o) for r, o in enumerate(self.outcomes) if isinstance(o, BaseException))
        rank, own = next(raised)
        return raised_by(rank, own)

    def root(self) -> BaseException:
        """The exception that caused the failure, not its consequences.

        Only if a rank has not ended well.
        """
        error = self.error
        if error is None:
            return next(o for o in self.outcomes if isinstance(o, BaseException))
        if isinstance(error, RankFailed) and error.rank in range(len(self.outcomes)):
            own = self.outcomes[error.rank or 0]
            if isinstance(own, BaseException):
                return own
        return error


def raised_by(rank: int, error: BaseException) -> RankFailed:
    """The error that other ranks get for an exception that has ended a rank's program."""
    return RankFailed(f"rank {rank} raised {in_words(error)}", rank)


def outcome_of(
    main: Callable[..., Any], args: tuple[Any, ...], join: "functools._lru_cache_wrapper[Member]"
) -> Any:
    """What ``main(*args)`` returns as a rank, or the exception that it ends with; see `WorldEnded`.

    ``join``: returns the rank's membership when it is asked for; if it was, the world is left at
    the end. A successful ``sys.exit`` counts as returning None.
    """
    error: BaseException | None = None
    outcome: Any = None
    try:
        outcome = main(*args)
        outcome = Returned(outcome) if isinstance(outcome, BaseException) else outcome
    except BaseException as raised:
        well = isinstance(raised, SystemExit) and exit_code(raised.code) == 0
        error = None if well else raised
    try:
        if join.cache_info().currsize:
            join().close(error)
    except BaseException as raised:
        error = raised if error is None else error
    return outcome if error is None else error


def portable(error: BaseException, rank: int) -> BaseException:
    """A copy of ``error`` that another process can unpickle, with its traceback as a note.

    If the exception itself cannot travel, it is the `RankFailed` that describes it.
    """
    where = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
        whole = type(copy) is type(error)
    except BaseException:  # whatever its type does when it is copied
        whole = False
    told: BaseException = copy if whole else raised_by(rank, error)
    BaseException.add_note(told, f"in rank {rank}:\n{where}")
    return told


def packed(outcome: Any, rank: int) -> bytes:
    """``outcome``, a result or an exception, as bytes for `unpacked`; never raises.

    If it cannot be pickled, the bytes hold the error that says so.
    """
    if isinstance(outcome, BaseException):
        outcome = portable(outcome, rank)
    try:
        return pickle.dumps(outcome)
    except BaseException as error:  # whatever the types in it do
        return pickle.dumps(_no_result(outcome, rank, error))


def unpacked(data: bytes | bytearray, rank: int) -> Any:
    """The result or exception in bytes of `packed`.

    If it cannot be unpickled, the error that says so.
    """
    try:
        return pickle.loads(data)
    except Exception as error:
        return _no_result(None, rank, error)


def _no_result(outcome: Any, rank: int, why: BaseException) -> WorldError:
    what = "a result" if outcome is None else f"a {type(outcome).__name__}"
    return WorldError(
        f"rank {rank} returned {what} that cannot be handed back: pickle raises {in_words(why)}",
        rank,
    )
