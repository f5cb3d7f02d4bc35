"""The keys of KV blocks in a pool: equal keys mean that one's bytes can take the other's place.

A key is a chained hash of tokens, as every context cache of a pool has it, that begins with all
that the bytes depend on beside the tokens: the model with its weights, and how the engine lays them
out in its caches.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from collectives.memory.pool.core.hashing import prefix_keys

SAMPLES, SAMPLE = 64, 4096
"""How many pieces of a file of weights are looked at, and the bytes of each."""

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")


@dataclass(frozen=True)
class PoolKeys:
    """The keys of an instance's blocks.

    ``identity``: what else must be equal, see `identity_of`; ``block``: tokens of a block in the
    pool; ``layers``: how many layers have KV.
    """

    identity: str
    block: int
    layers: int

    def of(self, request: Any, tokens: int) -> list[str]:
        """The keys of the whole blocks among the first ``tokens`` tokens of a request.

        Requests with different ``cache_salt`` never have a key in common.
        """
        salted = json.dumps([self.identity, request.cache_salt])
        return prefix_keys(list(request.all_token_ids)[:tokens], self.block, salted)


def layer_keys(key: str, layers: int) -> list[str]:
    """The keys under which the layers of a block are."""
    return [layer_key(key, layer) for layer in range(layers)]


def layer_key(key: str, layer: int) -> str:
    """The key under which a block of the layer with this number is."""
    return f"{key}#{layer}"


def identity_of(config: Any, model: str | None, layouts: Sequence[Any]) -> str:
    """What a block's bytes depend on beside its tokens, as text.

    ``config``: the engine's ``VllmConfig``; ``model``: stands for the weights, None: the model's
    name with its revision, and where that is a folder, `fingerprint` of its files. ``layouts``: of
    each layer's cache, anything that JSON takes.
    """
    of, parallel = config.model_config, config.parallel_config
    weights = [of.model, of.revision, fingerprint(Path(of.model))] if model is None else [model]
    shape = of.hf_config.to_dict()
    return json.dumps(
        {
            "weights": weights,
            "shape": {name: value for name, value in shape.items() if name not in _NO_SHAPE},
            "quantization": of.quantization,
            "type": [str(of.dtype), str(config.cache_config.cache_dtype)],
            "parallel": [parallel.tensor_parallel_size, parallel.pipeline_parallel_size],
            "layouts": list(layouts),
        },
        sort_keys=True, default=str,
    )  # fmt: skip


_NO_SHAPE = ("_name_or_path", "transformers_version")


def fingerprint(folder: Path) -> str | None:
    """A hash of the files of weights in a folder; None if it is none, or has none.

    Of each file it looks at name and size, and at pieces all over it, not at every byte.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in WEIGHTS)
    if not files:
        return None
    made = blake2b(digest_size=16)
    for path in files:
        size = path.stat().st_size
        made.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            for at in sorted({size * piece // SAMPLES for piece in range(SAMPLES)}):
                file.seek(at)
                made.update(file.read(SAMPLE))
    return made.hexdigest()
