"""What each fitted constant is good for: every stack fitted again without it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.published.rows import PublishedRow
from bench.records import Record, Value, as_text
from bench.validation.fit import Fit, Trials
from bench.validation.recipes import Recipe
from fabric.endpoint.costs import EndpointError

ALL = "(all constants)"
"""The name of the fit that nothing is removed from."""

BETTER = 0.05
"""By how many percentage points an error has to rise without a constant that helps."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A stack without one of its fitted constants.

    ``constant``: the places that shared it, or `ALL`. ``calibrate``, ``validate``: mean absolute
    errors in percent, None where there are no such rows or, with the ``reason``, where the constant
    cannot be removed alone; ``more``: how much the error rose, of the validate rows if there are
    any. ``stays``: why it is there although it does not help them, or "".
    """

    stack: str
    constant: str
    calibrate: float | None
    validate: float | None
    more: float | None = None
    reason: str = ""
    stays: str = ""

    @property
    def helps(self) -> bool | None:
        """True if the error is greater without the constant; None for the whole stack."""
        if self.constant == ALL or self.more is None:
            return None
        return self.more > BETTER

    def record(self) -> dict[str, Value]:
        """The ablation as a record."""
        return {
            "software": self.stack, "without": self.constant, "calibrate_percent": self.calibrate,
            "validate_percent": self.validate, "more_percent": self.more, "helps": self.helps,
            "reason": self.reason or None, "stays": self.stays or None,
        }  # fmt: skip


def ablate(one: Fit, rows: Sequence[PublishedRow], others: Mapping[str, Fit]) -> list[Ablation]:
    """The stack of ``one`` with all of its constants, then without each, the worst loss first.

    ``rows``: all published ones; ``others``: the fits that it takes constants from. The other
    constants are fitted anew each time.
    """
    trials = Trials(one.recipe, rows, others)
    base = _judged(trials, one, ALL)
    recipe = trials.warm(one)
    found = [_without(trials, recipe, number, base) for number in range(len(recipe.free))]
    return [base, *sorted(found, key=lambda each: -(each.more or 0.0))]


def _without(trials: Trials, recipe: Recipe, number: int, base: Ablation) -> Ablation:
    name = ", ".join(recipe.free[number].places)
    try:
        found = _judged(trials, trials.without(recipe, number), name)
    except EndpointError as error:
        return replace(base, constant=name, calibrate=None, validate=None, reason=str(error))
    return replace(found, more=_risen(base, found), stays=recipe.free[number].stays)


def _risen(base: Ablation, found: Ablation) -> float | None:
    pairs = (base.validate, found.validate), (base.calibrate, found.calibrate)
    for before, after in pairs:
        if before is not None and after is not None:
            return after - before
    return None


def _judged(trials: Trials, found: Fit, name: str) -> Ablation:
    compared = _mean(trials.compared(found))
    return Ablation(found.recipe.name, name, _mean(found.errors), compared)


def _mean(errors: Sequence[float]) -> float | None:
    return float(np.abs(errors).mean()) if errors else None


def text(found: Sequence[Ablation]) -> str:
    """The ablations as a table, and a line for each constant that does not help."""
    rows: list[Record] = [
        {
            "software": one.stack, "calibrate %": one.calibrate, "validate %": one.validate,
            "more %": one.more, "without": one.constant,
        }
        for one in found
    ]  # fmt: skip
    return as_text(rows, "table") + "".join(f"# {line}\n" for line in _lines(found))


def _lines(found: Sequence[Ablation]) -> Iterator[str]:
    bases = {one.stack: one for one in found if one.constant == ALL}
    for one in found:
        use = "calibrate" if one.validate is None else "validate"
        if one.reason:
            yield f"{one.stack}: {one.constant} cannot be removed alone: {one.reason}"
        elif one.helps is False:
            yield (
                f"{one.stack}: {one.constant} does not help: the {use} error without it is"
                f" {getattr(one, use):.2f}%, with it {getattr(bases[one.stack], use):.2f}%"
                + (f"; it stays: {one.stays}" if one.stays else "")
            )
