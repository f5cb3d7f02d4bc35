"""The shape of a language model with mixture-of-experts layers, from a file or its config.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from collectives.workloads.inference.sourced import (
    InferenceError,
    check_known,
    packaged,
    read_toml,
)
from topology.files.reading import shown
from topology.names import near


@dataclass(frozen=True, slots=True)
class Mla:
    """Multi-head latent attention (DeepSeek-V2): ranks and channels of a head, all in channels."""

    q_rank: int
    kv_rank: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True, slots=True)
class Gqa:
    """Grouped-query attention: heads of keys and values, and channels of a head."""

    kv_heads: int
    head: int


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a model decides what a step costs.

    ``dense_layers``: the first layers, without experts; ``expert_intermediate``: channels inside an
    expert; ``predict_layers``: multi-token-prediction modules (MTP) that come with it.
    """

    name: str
    source: str
    layers: int
    dense_layers: int
    hidden: int
    heads: int
    dense_intermediate: int
    experts: int
    top_k: int
    shared_experts: int
    expert_intermediate: int
    vocabulary: int
    predict_layers: int
    attention: Mla | Gqa

    def __post_init__(self) -> None:
        least = {"dense_layers": 0, "shared_experts": 0, "predict_layers": 0}
        numbers = [(f.name, getattr(self, f.name)) for f in fields(self)]
        inside = [(f.name, getattr(self.attention, f.name)) for f in fields(self.attention)]
        for name, value in [*numbers[2:-1], *inside]:
            if type(value) is not int or value < least.get(name, 1):
                raise InferenceError(
                    f"model {self.name}: {name} is {shown(value)}; it has to be an integer from"
                    f" {least.get(name, 1)} on"
                )
        if self.top_k > self.experts or self.dense_layers > self.layers:
            raise InferenceError(f"model {self.name}: top_k or dense_layers is too large")

    @property
    def kv_channels(self) -> int:
        """Channels that a token keeps in the cache of one layer."""
        at = self.attention
        return at.kv_rank + at.rope if isinstance(at, Mla) else 2 * at.kv_heads * at.head

    @property
    def attention_weights(self) -> int:
        """Weights of the attention block of a layer."""
        at, hidden, heads = self.attention, self.hidden, self.heads
        if isinstance(at, Gqa):
            return hidden * (2 * heads * at.head + self.kv_channels)
        down = hidden * (at.q_rank + at.kv_rank + at.rope)
        up = at.q_rank * heads * (at.nope + at.rope) + at.kv_rank * heads * (at.nope + at.value)
        return down + up + heads * at.value * hidden

    @property
    def expert_weights(self) -> int:
        """Weights of one expert: gate, up and down projection."""
        return 3 * self.hidden * self.expert_intermediate


def model_of(name: str) -> ModelShape:
    """The model called ``name``, or in the file of that name: TOML, or Hugging Face's config.json.

    Raises `InferenceError`.
    """
    own = packaged("models")
    if name in own:
        return of_table(read_toml(own[name]), name)
    path = Path(name)
    if path.suffix == ".toml":
        return of_table(read_toml(path), name)
    if path.suffix == ".json":
        return of_config(_json(path), name)
    raise InferenceError(
        f"no model {shown(name)}; there are {', '.join(own)}, a .toml file, or a config.json"
        f"{near(name, own)}"
    )


def of_table(table: Mapping[str, Any], where: str) -> ModelShape:
    """The model in the tables of a TOML file; ``where``: its name for errors."""
    names = [field.name for field in fields(ModelShape)][:-1]
    kinds: dict[str, type[Mla] | type[Gqa]] = {"mla": Mla, "gqa": Gqa}
    check_known(table, [*names, *kinds], where)
    found = [kind for kind in kinds if kind in table]
    if len(found) != 1:
        raise InferenceError(f"{where}: one of [mla] and [gqa] is needed")
    inside = table[found[0]]
    kind = kinds[found[0]]
    wanted = [field.name for field in fields(kind)]
    check_known(inside, wanted, f"{where}, [{found[0]}]")
    missing = [n for n in names if n not in table] + [n for n in wanted if n not in inside]
    if missing:
        raise InferenceError(f"{where}: {missing[0]} is missing")
    return ModelShape(**{name: table[name] for name in names}, attention=kind(**inside))


def of_config(config: Mapping[str, Any], where: str) -> ModelShape:
    """The model that Hugging Face's ``config.json`` describes; raises `InferenceError`."""

    def number(*keys: str, default: int | None = None) -> int:
        value = next((config[key] for key in keys if config.get(key) is not None), default)
        if type(value) is not int:
            raise InferenceError(f"{where}: {keys[0]} is {shown(value)}; it has to be an integer")
        return value

    heads, hidden = number("num_attention_heads"), number("hidden_size")
    attention: Mla | Gqa
    if config.get("kv_lora_rank") is not None:
        attention = Mla(
            number("q_lora_rank"), number("kv_lora_rank"), number("qk_nope_head_dim"),
            number("qk_rope_head_dim"), number("v_head_dim"),
        )  # fmt: skip
    else:
        width = number("head_dim", default=hidden // heads)
        attention = Gqa(number("num_key_value_heads", default=heads), width)
    return ModelShape(
        name=str(config.get("model_type", "model")), source=where,
        layers=number("num_hidden_layers"),
        dense_layers=number("first_k_dense_replace", default=_dense(config)),
        hidden=hidden, heads=heads, dense_intermediate=number("intermediate_size"),
        experts=number("n_routed_experts", "num_experts", "num_local_experts"),
        top_k=number("num_experts_per_tok"), shared_experts=number("n_shared_experts", default=0),
        expert_intermediate=number("moe_intermediate_size"), vocabulary=number("vocab_size"),
        predict_layers=number("num_nextn_predict_layers", default=0), attention=attention,
    )  # fmt: skip


def _dense(config: Mapping[str, Any]) -> int:
    return len(config.get("mlp_only_layers") or ())


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise InferenceError(f"{path}: {fault.strerror or 'cannot be read'}") from None
    except ValueError:
        raise InferenceError(f"{path}: not JSON") from None
    if not isinstance(found, dict):
        raise InferenceError(f"{path}: no config.json of a model")
    return found
