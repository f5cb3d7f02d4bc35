"""How each software stack is modelled: which constants it has, which are fitted, and where from.

A recipe is read from the stack's record (`fabric.endpoint.records`). Constants that are
`FIXED <Fixed>` or `Same` come from elsewhere, with the reason; `Free` ones are fitted by
`bench.validation.calibrate` to the stack's ``calibrate`` rows. A place is
``operation.constant`` (``operation.efficiency.plane``), operation "default" for all that are not
named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fabric.endpoint.costs import EndpointError
from fabric.endpoint.presets import UNITS
from fabric.endpoint.records import Stack, stacks


@dataclass(frozen=True, slots=True)
class Fixed:
    """A constant that is known: ``value`` in SI, at every place, and why."""

    value: float
    why: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """A constant of another stack, at ``place`` there, taken over at every place here, and why."""

    stack: str
    place: str
    why: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Free:
    """A constant that is fitted: where the search begins (SI), and the places that share it.

    ``"2*PLACE"`` gets twice the value. Where a place has a known constant, this adds to it.
    ``stays``: why it is there although no row to validate needs it; "" for all others.
    """

    start: float
    places: tuple[str, ...]
    stays: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One stack.

    ``system``: only rows of that system are fitted to, where it is given. ``small_bytes``,
    ``small_bytes_of``: ``small`` and ``small_of`` of `fabric.endpoint.costs.Endpoint`.
    ``others_free``: operations that are not named cost nothing. ``measured_as``: how the
    rows call it. ``algorithms``: as in `Endpoint`.
    """

    name: str
    source: str
    measured_as: str
    planes: tuple[str, ...] | None = None
    known: tuple[Fixed | Same, ...] = ()
    free: tuple[Free, ...] = ()
    system: str | None = None
    small_bytes: int = 0
    small_bytes_of: Mapping[str, int] = field(default_factory=dict)
    others_free: bool = False
    algorithms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def recipe_of(stack: Stack) -> Recipe:
    """The `Recipe` by which the constants of ``stack`` are fitted.

    Raises `EndpointError` if the stack's record is wrong.
    """
    return Recipe(
        stack.name, stack.source, stack.measured_as or stack.name, stack.planes,
        tuple(_known(stack, one) for one in stack.known),
        tuple(_free(stack, one) for one in stack.free),
        stack.fitted_on, stack.small_bytes, dict(stack.small_bytes_of), stack.others_free,
        {op: tuple(names) for op, names in stack.algorithms.items()},
    )  # fmt: skip


def _known(stack: Stack, given: Mapping[str, Any]) -> Fixed | Same:
    places = tuple(given.get("places", ()))
    keys = given.keys() - {"places", "why"}
    if places and given.get("why") and keys == {"value"}:
        return Fixed(given["value"] * unit_of(places), given["why"], places)
    if places and given.get("why") and keys == {"same_as", "place"}:
        return Same(given["same_as"], given["place"], given["why"], places)
    raise EndpointError(
        f"stack {stack.name}: known has {', '.join(given)}; it has to have places, why, and value"
        f" or same_as and place"
    )


def _free(stack: Stack, given: Mapping[str, Any]) -> Free:
    if given.keys() - {"stays"} != {"start", "places"} or not given["places"]:
        raise EndpointError(
            f"stack {stack.name}: free has {', '.join(given)}; it has to have start and places, and"
            " may have stays"
        )
    places = tuple(given["places"])
    return Free(given["start"] * unit_of(places), places, given.get("stays", ""))


def unit_of(places: Sequence[str]) -> float:
    """The SI value of the unit in which the record writes a value for ``places``."""
    constant = places[0].rpartition("*")[2].split(".")[1]
    return UNITS.get(constant, ("", 1.0))[1]


def origin(recipe: Recipe, place: str) -> str:
    """Where the constant at a place comes from: "fitted", or the reason why it is known."""
    reasons = [
        known.why if isinstance(known, Fixed) else f"{known.stack}'s {known.place}: {known.why}"
        for known in recipe.known if place in known.places
    ]  # fmt: skip
    factors = [p for free in recipe.free for p in free.places if p.rpartition("*")[2] == place]
    fitted = [p.replace(place, "what is fitted") if "*" in p else "fitted" for p in factors]
    return " + ".join([*reasons, *fitted])


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {name: recipe_of(stack) for name, stack in stacks().items() if stack.free}
)
"""Every stack that is fitted, by name, those first that others take constants from."""
