"""The error types of this package; each message names the thing, its value and the choices."""

from topology.text import one_line

LONGEST = 2000
"""Characters of an error's message at most."""


class TriplaneError(ValueError):
    """Something that the caller asked for is not possible; the base of every error of Triplane.

    The message is one line that can be shown anywhere: names in it come from files and other
    programs, so control characters are written out (`topology.text.one_line`), and of a message
    longer than `LONGEST` only begin and end are kept.
    """

    def __init__(self, message: object = "") -> None:
        text = one_line(str(message))
        if len(text) > LONGEST:
            text = f"{text[: LONGEST * 3 // 4]} ... {text[-LONGEST // 5 :]}"
        super().__init__(text)


class ArgumentError(TriplaneError):
    """An argument of a call is wrong: nothing was done, and no other rank knows of it."""


class UnitError(TriplaneError):
    """A text is not a number with a unit of the quantity asked for."""


class TopologyError(TriplaneError):
    """A topology is inconsistent, or a name in it is unknown."""


class RouteError(TriplaneError):
    """Two endpoints have no path between them on the planes asked for."""


class PlacementError(TriplaneError):
    """Ranks or blocks of ranks do not fit where they are asked to go."""
