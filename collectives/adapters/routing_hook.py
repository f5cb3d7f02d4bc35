"""A hook that captures which experts the tokens of a running model choose.

It sees the calls of every module whose ``forward`` is given the experts of tokens and their
weights, whatever library it is of: the experts of HuggingFace transformers 5 are such modules, and
those of many engines.
"""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from collectives.moe.routing.captured import RoutedTokens
from collectives.moe.tensors import TokenError

CHOICES = ("top_k_index", "topk_ids", "topk_idx", "topk_indices", "selected_experts")
"""What the argument with the experts of tokens is called."""

WEIGHTS = ("top_k_weights", "topk_weights", "topk_weight", "routing_weights")
"""What that with their weights is called."""

EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "global_num_experts")
"""What modules, and configurations of models, call how many experts there are."""


@contextmanager
def captured_routing(
    model: nn.Module, *, rank: int = 0, experts: int | None = None
) -> Iterator[list[RoutedTokens]]:
    """A context manager in whose block the choices of ``model``'s tokens are captured.

    Gives a list to which each call of a layer adds its tokens; `gathered` makes a
    `CapturedRouting` of it. Layers are called as their modules are; a step begins when a layer is
    called again. ``rank``: whose tokens these are; ``experts``: how many a layer has, None: as its
    module says, or the model's configuration. Raises `TokenError` where no module is given experts
    of tokens, or nothing says how many there are.
    """
    found: list[RoutedTokens] = []
    seen: dict[str, int] = {}
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            given = _arguments(module)
            if given is None:
                continue
            count = experts or _count(module) or _count(getattr(model, "config", None))
            if count is None:
                raise TokenError(f"{name}: nothing says how many experts there are: give experts")
            note = partial(_note, found, seen, name, given, rank, count)
            hooks.callback(module.register_forward_pre_hook(note, with_kwargs=True).remove)
            seen[name] = 0
        if not seen:
            raise TokenError(
                f"no module of {type(model).__name__} is given the experts of tokens: an argument"
                f" of its forward would be called {', '.join(CHOICES)}"
            )
        yield found


def _arguments(module: nn.Module) -> tuple[inspect.Signature, str, str | None] | None:
    """The signature of a module's forward, and what is called choices and weights there."""
    signature = inspect.signature(module.forward)
    choices = next((name for name in CHOICES if name in signature.parameters), None)
    weights = next((name for name in WEIGHTS if name in signature.parameters), None)
    return None if choices is None else (signature, choices, weights)


def _count(holder: Any) -> int | None:
    """How many experts a module or a configuration says that there are."""
    numbers = (getattr(holder, name, None) for name in EXPERTS)
    return next((number for number in numbers if isinstance(number, int) and number > 0), None)


def _note(
    found: list[RoutedTokens], seen: dict[str, int], name: str,
    given: tuple[inspect.Signature, str, str | None], rank: int, experts: int, module: nn.Module,
    args: tuple[Any, ...], named: dict[str, Any],
) -> None:  # fmt: skip
    """Add the tokens of a call to what was found."""
    signature, choices, weights = given
    values = signature.bind(*args, **named).arguments
    chosen = values[choices].detach().cpu().to(torch.int64)
    told = None if weights is None else values.get(weights)
    step, seen[name] = seen[name], seen[name] + 1
    found.append(
        RoutedTokens(
            step, name, rank, experts, chosen.reshape(-1, chosen.shape[-1]).numpy().copy(),
            None if told is None or told.shape != chosen.shape
            else told.detach().cpu().float().reshape(-1, chosen.shape[-1]).numpy().copy(),
        )
    )  # fmt: skip
