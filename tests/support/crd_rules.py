"""What the API servers of Kueue and Volcano check of the resources that Triplane writes.

Transcribed from the published definitions, and only what concerns ``spec``: kueue.x-k8s.io
Topology v1beta2 (kubernetes-sigs/kueue, config/components/crd/bases/kueue.x-k8s.io_topologies.yaml
at ff69552e79, Apache-2.0) and topology.volcano.sh HyperNode v1alpha1 (volcano-sh/volcano,
config/crd/volcano/bases/topology.volcano.sh_hypernodes.yaml at 178acf02, Apache-2.0). Unknown
fields are refused, as with ``kubectl --validate=strict``.
"""

import re
from collections.abc import Mapping
from typing import Any

_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = {"type": "string", "minLength": 1, "maxLength": 253,
             "pattern": rf"^{_NAME}(\.{_NAME})*$"}  # fmt: skip
LABEL_KEY = {"type": "string", "minLength": 1, "maxLength": 316,
             "pattern": rf"^({_NAME}(\.{_NAME})*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
             }  # fmt: skip


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _resource(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return _object(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"type": "string", "enum": [version]}, kind={"type": "string", "enum": [kind]},
        metadata=_object(["name"], name=SUBDOMAIN), spec=spec,
    )  # fmt: skip


_LEVEL = _object(["nodeLabel"], nodeLabel=LABEL_KEY)
TOPOLOGY = _resource(
    "kueue.x-k8s.io/v1beta2", "Topology",
    _object(["levels"], levels={"type": "array", "minItems": 1, "maxItems": 16, "items": _LEVEL}),
)  # fmt: skip

_MEMBER = _object(
    ["type"], type={"type": "string", "enum": ["Node", "HyperNode"]},
    selector=_object(
        [], exactMatch=_object(["name"], name=SUBDOMAIN),
        regexMatch=_object(["pattern"], pattern={"type": "string", "minLength": 1}),
    ),
)  # fmt: skip
HYPERNODE = _resource(
    "topology.volcano.sh/v1alpha1", "HyperNode",
    _object(["tier"], tier={"type": "integer", "minimum": 0},
            tierName={"type": "string", "maxLength": 253},
            members={"type": "array", "minItems": 1, "items": _MEMBER}),
)  # fmt: skip

_TYPES = {"object": dict, "array": list, "string": str, "integer": int}


def broken(value: Any, rule: Mapping[str, Any], where: str = "") -> list[str]:
    """Each rule of a schema that a value breaks, as a line; empty if it is valid."""
    if type(value) is not _TYPES[rule["type"]]:
        return [f"{where}: {value!r} is no {rule['type']}"]
    allowed = rule.get("enum", [value])
    found = [] if value in allowed else [f"{where}: {value!r} is not in {allowed}"]
    if isinstance(value, dict):
        known = rule["properties"]
        found += [f"{where}.{key} is missing" for key in rule["required"] if key not in value]
        found += [f"{where}.{key} is unknown" for key in value if key not in known]
        for key in value.keys() & known.keys():
            found += broken(value[key], known[key], f"{where}.{key}")
    elif isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            found.append(f"{where}: {len(value)} items")
        for number, one in enumerate(value):
            found += broken(one, rule["items"], f"{where}[{number}]")
    elif isinstance(value, str):
        if not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value)):
            found.append(f"{where}: {len(value)} characters")
        if not re.search(rule.get("pattern", ""), value):
            found.append(f"{where}: {value!r} does not match")
    elif value < rule.get("minimum", value):
        found.append(f"{where}: {value} is too small")
    return found


def broken_levels(resource: Any) -> list[str]:
    """What a valid Topology of Kueue breaks of its rules that are expressions (CEL)."""
    labels = [level["nodeLabel"] for level in resource["spec"]["levels"]]
    found = ["labels are not unique"] * (len(set(labels)) < len(labels))
    return found + ["the hostname is not the lowest"] * ("kubernetes.io/hostname" in labels[:-1])


def broken_selectors(resource: Any) -> list[str]:
    """What a valid HyperNode breaks of its rules that are expressions: one way to select."""
    ways = [member.get("selector", {}) for member in resource["spec"]["members"]]
    return [f"{way} has not one way" for way in ways if len(way) != 1]
