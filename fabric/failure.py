"""What can go wrong between running ranks: every survivor gets one of these errors.

None hangs. Each error names the rank, the call and the cause; `str()` is one line that a user can
act on.
"""

from topology.errors import TriplaneError


class WorldError(TriplaneError):
    """The ranks of a world can no longer work together.

    ``rank``: whose fault it is, None where it is nobody's or several ranks'. ``settled``: whether
    there is no use in waiting for the authority to know a better cause.
    """

    settled = False

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


class RankLost(WorldError):
    """A rank has died, was stopped, cannot be reached, or has left without its part of a call.

    ``op``: in a world that goes on after a loss, the number of the call that has failed for all of
    its ranks, after which `Communicator.shrink` gives a smaller group; None where the world ends.
    """

    op: int | None = None


class RankFailed(WorldError):
    """A rank's program has raised an exception."""


class CallMismatch(WorldError):
    """Ranks made calls that do not fit together: operation, size, type, root or reduction."""


class Deadlock(WorldError):
    """Every rank waits for another; the message says who waits for whom, and in which call."""


class AuthorityLost(WorldError):
    """A rank can no longer reach the authority: it has died, or the connection to it was cut."""


class TimedOut(WorldError):
    """A wait took longer than its caller allows."""


class TransportError(WorldError):
    """Bytes cannot be moved: no room in shared memory, an address in use, a key refused."""


MOST_WORDS = 4000
"""Characters of an error's text that are passed on: more is of no use in a line."""


def words(what: object) -> str:
    """``str(what)``, cut to `MOST_WORDS` characters.

    Never raises: if ``str`` fails, the text says so.
    """
    try:
        text = str(what)
    except BaseException as error:  # whatever it is, the report must not fail with it
        return f"its text cannot be had: str() raises {kind_of(error)}"
    if type(text) is not str:  # of a subclass, whose methods may do anything
        text = str.__str__(text)
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]}... ({len(text)} characters)"


def kind_of(error: BaseException) -> str:
    """The name of the exception's type. Never raises."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return name


def in_words(error: BaseException) -> str:
    """``error`` as text, like the last line of a traceback: ``"KeyError: 'x'"``. Never raises."""
    kind, text = kind_of(error), words(error)
    return f"{kind}: {text}" if text else kind


def as_parts(error: WorldError) -> tuple[str, str, int | None]:
    """``error`` in a form that can travel: its type's name in `KINDS`, text, and rank or None."""
    return type(error).__name__, str(error), error.rank


def report(error: BaseException, size: int) -> tuple[str, str, int | None]:
    """What other ranks are told of an exception: type name, text, rank at fault or None.

    The name is a key of `KINDS` only for Triplane's own errors. ``size``: the number of ranks of
    the world. Never raises.
    """
    kind, culprit = kind_of(error), None
    if isinstance(error, WorldError):
        culprit = getattr(error, "rank", None)
        if type(culprit) is not int or not 0 <= culprit < size:
            culprit = None
    if kind in KINDS and type(error) is not KINDS[kind]:
        kind = f"{type(error).__module__}.{kind}"  # another one of that name
    return kind, words(error), culprit


def exit_code(status: object) -> int:
    """The exit code (0 to 255) that a shell sees after ``sys.exit(status)``."""
    if status is None:
        return 0
    return int(status) & 0xFF if isinstance(status, int) else 1


KINDS = {
    kind.__name__: kind
    for kind in (
        WorldError, RankLost, RankFailed, CallMismatch, Deadlock, AuthorityLost, TimedOut,
        TransportError,
    )
}  # fmt: skip
"""By name, for errors that travel between processes."""
