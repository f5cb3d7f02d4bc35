"""Numbers on the command line; anything else is refused as click does.

Imports nothing of this project, so that ``--help`` stays quick.
"""

import math
import re
from typing import Any

import click

_WHOLE = re.compile(
    r"\s*(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]{1,8})|(?P<octal>0[0-7]{1,10})"
    r"|(?P<decimal>0|[1-9][0-9]{0,9}))\s*"
)


class Number(click.IntRange):
    """A whole number as C's strtol reads nccl-tests' flags: 010 is 8, and 0x10 is 16."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """``value`` as an int, also hexadecimal or octal.

        click reports text that is no number, and a number out of range.
        """
        if isinstance(value, str):
            found = _WHOLE.fullmatch(value)
            if found is None:
                self.fail(f"{value!r} is not a valid integer.", param, ctx)
            digits = found["hex"] or found["octal"] or found["decimal"]
            base = 16 if found["hex"] else 8 if found["octal"] else 10
            value = int(f"{found['sign']}{digits}", base)
        number: int = super().convert(value, param, ctx)
        return number


class Positive(click.ParamType[float]):
    """A number above 0, or inf."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """``value`` as a float above 0; click reports anything else."""
        try:
            speed = float(value)
        except ValueError:
            speed = math.nan
        if not speed > 0:
            self.fail(f"{value!r:.60} is no number above 0", param, ctx)
        return speed


class Between(click.ParamType[float]):
    """A finite number from ``least`` to ``most``; click's own range lets NaN through."""

    name = "number"

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """``value`` as a float in the range; click reports anything else."""
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not self.least <= found <= self.most:
            self.fail(
                f"{value!r:.60} is no number from {self.least:g} to {self.most:g}", param, ctx
            )
        return found


class CountList(click.ParamType[tuple[int, ...]]):
    """Whole numbers above 0: ``1,8,64``, and ``1..1024`` for 1, 2, 4 and so on up to 1024.

    ``most``: the largest that is allowed; ``what``: they count, for the error message.
    """

    name = "counts"

    def __init__(self, what: str, most: int = 1 << 20) -> None:
        self.what, self.most = what, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """``value`` as numbers in the order in which they are written, each once."""
        if isinstance(value, tuple):
            return value
        found: list[int] = []
        for part in str(value).split(","):
            first, dots, last = part.strip().partition("..")
            least, most = self._count(first, part, param, ctx), None
            if dots:
                most = self._count(last, part, param, ctx)
                if most < least:
                    self.fail(f"{part.strip()!r} goes down; such as 1..1024 is needed", param, ctx)
            found += _doubled(least, most or least)
        return tuple(dict.fromkeys(found))

    def _count(
        self, text: str, part: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= self.most:
            self.fail(
                f"{part.strip()!r:.60} is no number of {self.what} from 1 to {self.most}; such as"
                " 8,16,32 or 1..1024 is needed",
                param, ctx,
            )  # fmt: skip
        return int(text)


def _doubled(least: int, most: int) -> list[int]:
    """``least``, twice as much and so on, as nccl-tests' -b, -e and -f 2."""
    return [least << n for n in range((most // least).bit_length())]
