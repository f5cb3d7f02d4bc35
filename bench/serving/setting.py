"""Model, machine and deployment of a serving benchmark, from its options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from bench.cases.moe import node_ranks
from bench.machine import BenchError, check_fits
from bench.options import gathered
from bench.records import Value
from collectives.moe.routing.file import from_file
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.accelerator import Accelerator, accelerator_of
from collectives.workloads.inference.apart import ApartExchanges
from collectives.workloads.inference.deployment import BALANCED, Deployment
from collectives.workloads.inference.exchange import LOW_LATENCY, NORMAL, Exchanges
from collectives.workloads.inference.model import ModelShape, model_of
from collectives.workloads.inference.sourced import ASSUMED, Sourced
from fabric.fabric import Fabric
from fabric.machine import MachineSpec


@dataclass(frozen=True)
class AskedInstance:
    """Which model runs how on what; None where the deployment says it."""

    model: str = "deepseek-r1"
    deployment: str | None = None
    accelerator: str | None = None
    ranks: int | None = None
    slots: int | None = None
    shared_ranks: int | None = None
    imbalance: str | None = None
    routing_file: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class ServedInstance:
    """A model on a fabric in a deployment; ``streams``: what is beside all that it transfers."""

    model: ModelShape
    die: Accelerator
    deployment: Deployment
    fabric: Fabric
    seed: int
    routing_file: str | None
    streams: tuple[Background, ...] = ()

    @property
    def is_balanced(self) -> bool:
        """Whether every expert is equally likely."""
        return self.deployment.imbalance.value == 1 and self.routing_file is None

    @property
    def beside(self) -> dict[str, Value]:
        """What a record says of the streams beside it; nothing where there are none."""
        return {"background": " ".join(map(str, self.streams))} if self.streams else {}

    @property
    def beside_words(self) -> str:
        """The end of a headline that names the streams."""
        return "".join(f", beside {stream}" for stream in self.streams)

    def exchanges(self, mode: str) -> Exchanges | ApartExchanges:
        """Dispatch and combine of the instance in this mode.

        Raises `BenchError` for a routing where attention is apart from experts.
        """
        if self.deployment.attention_ranks:
            if self.routing_file:
                raise BenchError("--routing-file does not go with attention apart from experts")
            return ApartExchanges(
                self.fabric, self.model, self.deployment, streams=self.streams, seed=self.seed
            )
        fabric, ranks = self.fabric, self.deployment.ranks
        width = None
        if mode == NORMAL:
            width = node_ranks(fabric.topology, fabric.router.planes, ranks, fabric.places)
        experts = self.deployment.slots + self.deployment.shared_ranks
        table = None if self.routing_file is None else from_file(self.routing_file, experts)
        return Exchanges(
            fabric, self.model, self.deployment, mode, width, self.streams, self.seed, table
        )

    def balanced(self) -> "ServedInstance":
        """The same with every expert equally likely."""
        return replace(self, deployment=replace(self.deployment, imbalance=BALANCED))


instance_options: Callable[[Any], Any] = gathered(
    "asked",
    AskedInstance,
    click.option("--model", metavar="NAME|FILE",
                 help="deepseek-r1, kimi-k2, qwen3-235b, a .toml file, or Hugging Face's"
                      " config.json [deepseek-r1]."),
    click.option("--deployment", metavar="NAME",
                 help="cloudmatrix, cann-recipes, h800 or gb200; for decoding also xdeepserve and"
                      " apart [that of the system]."),
    click.option("--accelerator", metavar="NAME|FILE",
                 help="ascend-910c, h800, gb200 or a .toml file [the deployment's]."),
    click.option("--ep", "ranks", type=click.IntRange(2, 1 << 16), help="Ranks of the instance."),
    click.option("--slots", type=click.IntRange(1, 1 << 16),
                 help="Routed experts over all ranks, redundant ones among them."),
    click.option("--shared-ranks", type=click.IntRange(0, 1 << 16),
                 help="Ranks that host only the shared expert; 0: every rank hosts it."),
    click.option("--imbalance", metavar="RATIO|balanced",
                 help="Tokens of the fullest rank over the mean [as published for the"
                      " deployment]."),
    click.option("--routing-file", metavar="FILE",
                 help="Who gets which token, as --skew file: of bench moe (experts are slots)."),
    click.option("--seed", type=click.IntRange(0, 1 << 53), help="Of the routing [0]."),
)  # fmt: skip
"""Adds the choice of an instance, which the command gets as ``asked``, an `AskedInstance`."""

_FAMILIES = {"cloudmatrix": "cloudmatrix", "supernode": "cloudmatrix", "h800": "h800",
             "dgx_h800": "h800", "gb200": "gb200"}  # fmt: skip


def instance(
    asked: AskedInstance, machine: MachineSpec, deployments: Mapping[str, Deployment],
    streams: tuple[Background, ...] = (),
) -> ServedInstance:  # fmt: skip
    """The instance that was asked for; raises `TriplaneError` for what is not to be had."""
    found = _deployment(asked, machine, deployments)
    if machine.system == MachineSpec.system and asked.deployment is not None:
        machine = machine.changed(system=found.system)
    model = model_of(asked.model)
    found = _fitting(model, found, asked)
    fabric = machine.build()
    check_fits(found.ranks + found.attention_ranks, fabric)
    die = accelerator_of(found.accelerator)
    return ServedInstance(model, die, found, fabric, asked.seed, asked.routing_file, streams)


def _fitting(model: ModelShape, found: Deployment, asked: AskedInstance) -> Deployment:
    """The deployment with ranks for a shared expert only if there is one, and slots for all."""
    shared = found.shared_ranks if model.shared_experts else 0
    if asked.shared_ranks and not shared:
        raise BenchError(f"--shared-ranks {asked.shared_ranks}: {model.name} has no shared expert")
    routed = found.ranks - shared
    slots = found.slots
    if asked.slots is None and (shared != found.shared_ranks or slots < model.experts):
        slots = -(-model.experts // routed) * routed
    if slots < model.experts:
        raise BenchError(f"{slots} slots do not hold the {model.experts} experts of {model.name}")
    return replace(found, shared_ranks=shared, slots=slots)


def _deployment(
    asked: AskedInstance, machine: MachineSpec, deployments: Mapping[str, Deployment]
) -> Deployment:
    name = asked.deployment or next(
        (of for begin, of in _FAMILIES.items() if machine.system.startswith(begin)), None
    )
    if name is None or name not in deployments:
        what = (
            f"--deployment {name}" if name else f"no deployment is published for {machine.system}"
        )
        raise BenchError(f"{what}: there are --deployment {', '.join(deployments)}")
    changes: dict[str, Any] = {
        key: value
        for key, value in (
            ("ranks", asked.ranks), ("slots", asked.slots), ("shared_ranks", asked.shared_ranks),
            ("accelerator", asked.accelerator), ("imbalance", _imbalance(asked)),
        ) if value is not None
    }  # fmt: skip
    return replace(deployments[name], **changes)


def _imbalance(asked: AskedInstance) -> Sourced | None:
    if asked.imbalance is None:
        return None
    if asked.imbalance == "balanced":
        return BALANCED
    try:
        return Sourced(float(asked.imbalance), ASSUMED, "--imbalance")
    except ValueError:
        raise BenchError(
            f"--imbalance {asked.imbalance:.40}: a ratio from 1 on, or balanced, is needed"
        ) from None


__all__ = ["LOW_LATENCY", "NORMAL", "ServedInstance", "instance", "instance_options"]
