"""The forms of rank tables, each turned into the form of HCCL's guide.

To add one: an entry of `FORMS`, for JSON or for any other text. Beside the guide's own form, with a
``server_list``, there are those that Huawei's tools write:

- ``group_list`` (before CANN 5, ModelArts): groups of instances with ``devices``; ranks are
  ``rank_id`` of instances of one device, or count up in the order of the file.
- ``server_group_list`` (MindIE): groups of servers, of which the ones without devices only
  coordinate.
- ``prefill_device_list`` and ``decode_device_list`` (vLLM Ascend's disaggregated prefill): two
  worlds, whose ranks count up by ``cluster_id``.
- ``rank_list`` (version 2.0, with levels of a network): refused by its name.

Functions here take the ``name`` by which errors call the table, and raise `TopologyError`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from topology.errors import TopologyError
from topology.files.reading import json_of, read_text, shown, whole

Table = Mapping[str, Any]

MOST = 1 << 20
"""Ranks, devices of a server, and other numbers of a table at most."""

_LISTS = {"prefill": "prefill_device_list", "decode": "decode_device_list"}


class Form(NamedTuple):
    """A form of rank tables.

    ``fits``: True for content in this form: an object that was JSON, or the text of a file that is
    no JSON. ``converted``: from a name, such content and the asked part, the table in the form with
    a ``server_list``.
    """

    fits: Callable[[Table | str], bool]
    converted: Callable[[str, Any, str | None], Table]


def content_of(path: str | Path) -> Table | str:
    """The object in the JSON file at ``path``; its text, if it is in a form of `FORMS` for text.

    Raises `TopologyError` for any other file.
    """
    text = read_text(path, TopologyError)
    if any(form.fits(text) for form in FORMS):
        return text
    content = json_of(text, str(path), TopologyError)
    if not isinstance(content, Mapping):
        raise TopologyError(f"{path} has no object at its top")
    return content


def current_form(name: str, content: Table | str, part: str | None) -> Table:
    """``content`` converted to the form with a ``server_list``, from the form of `FORMS` it has.

    ``part``: which world, where it lists several; raises `TopologyError` if it has no such one.
    """
    for form in FORMS:
        if form.fits(content):
            return form.converted(name, content, part)
    return _of_one_world(name, content, part)


def _with_key(*keys: str) -> Callable[[Table | str], bool]:
    """Whether content is an object with one of these keys."""
    return lambda content: isinstance(content, Mapping) and any(key in content for key in keys)


def _of_one_world(name: str, table: Any, part: str | None) -> Table:
    """``table`` as it is: it cannot have parts."""
    if part is not None:
        raise TopologyError(f"{name} has one world; there is no part {shown(part)} of it")
    found: Table = table
    return found


def _of_rank_list(name: str, table: Table, part: str | None) -> Table:
    raise TopologyError(
        f"{name} is a rank table with rank_list (version 2.0), which is not read; tables with"
        " server_list (1.0, 1.2), group_list and server_group_list are"
    )


def _of_lists(name: str, table: Table, part: str | None) -> Table:
    there = [world for world, key in _LISTS.items() if key in table]
    if part not in there:
        asked = "" if part is None else f"no part {shown(part)}, but "
        raise TopologyError(
            f"{name} has {asked}{' and '.join(_LISTS[each] for each in there)}, each a world of its"
            f" own: say which part, {' or '.join(there)}"
        )
    key = _LISTS[part]
    devices = objects_in(name, table, key)
    ids = [whole(one.get("cluster_id"), 0, 1 << 31) for one in devices]
    times = Counter(ids)
    bad = [one.get("cluster_id") for one, at in zip(devices, ids, strict=True)
           if at is None or times[at] > 1]  # fmt: skip
    if bad:
        raise TopologyError(
            f"cluster_id in {key} of {name} is {shown(bad[0])}; it has to be a number of its own"
        )
    ordered = sorted(range(len(devices)), key=lambda at: ids[at] or 0)
    rank = {at: number for number, at in enumerate(ordered)}
    servers: dict[str, list[Table]] = {}
    pods: dict[str, dict[str, None]] = {}
    for at, device in enumerate(devices):
        server = name_in(name, device, "server_id")
        servers.setdefault(server, []).append({**device, "rank_id": rank[at]})
        if "super_pod_id" in device:
            pods.setdefault(name_in(name, device, "super_pod_id"), {})[server] = None
    found = _with_servers(table, servers)
    if not pods:
        return found
    return {**found, "super_pod_list": [
        {"super_pod_id": pod, "server_list": [{"server_id": one} for one in inside]}
        for pod, inside in pods.items()
    ]}  # fmt: skip


def _with_servers(table: Table, servers: Mapping[str, Sequence[Table]]) -> dict[str, Any]:
    kept = {key: table[key] for key in ("version", "status") if key in table}
    listed = [{"server_id": name, "device": list(devices)} for name, devices in servers.items()]
    return {**kept, "server_list": listed}


def _of_server_groups(name: str, table: Table, part: str | None) -> Table:
    groups = objects_in(name, table, "server_group_list")
    named = {name_in(name, group, "group_id"): group for group in groups}
    if len(named) < len(groups):
        raise TopologyError(f"{name} has a group_id twice in server_group_list")
    working = [key for key, group in named.items() if _has_devices(name, group)]
    if part is None and len(working) != 1:
        raise TopologyError(
            f"{name} has {len(working)} groups with devices in server_group_list, each a world of"
            f" its own: say which part, a group_id ({', '.join(working) or 'none has devices'})"
        )
    chosen = working[0] if part is None else part
    if chosen not in working:
        raise TopologyError(
            f"{name} has no group {shown(chosen)} with devices; there are {', '.join(working)}"
        )
    kept = {key: table[key] for key in ("version", "status") if key in table}
    return {**kept, **named[chosen]}


def _has_devices(name: str, group: Table) -> bool:
    servers = objects_in(name, group, "server_list") if "server_list" in group else []
    return any("device" in server for server in servers)


def _of_groups(name: str, table: Table, part: str | None) -> Table:
    _of_one_world(name, table, part)
    groups = objects_in(name, table, "group_list")
    check_count(name, table, "group_count", len(groups))
    if len(groups) != 1:
        raise TopologyError(
            f"{name} has {len(groups)} groups in group_list; one is read, as each is a world"
        )
    instances = objects_in(name, groups[0], "instance_list")
    check_count(name, groups[0], "instance_count", len(instances))
    _check_order(name, instances)
    servers: dict[str, list[Table]] = {}
    total, given = 0, sum("rank_id" in one for one in instances)
    for one in instances:
        devices = objects_in(name, one, "devices")
        if given and (given < len(instances) or len(devices) != 1):
            raise TopologyError(
                f"{name} has rank_id for some instances of group_list, or for one of several"
                " devices; every instance of one device needs it, or none"
            )
        there = servers.setdefault(name_in(name, one, "server_id"), [])
        for device in devices:
            there.append({**device, "rank_id": one["rank_id"] if given else total})
            total += 1
    for key in ("device_count", "device_num"):
        check_count(name, groups[0], key, total)
    return _with_servers({"version": "1.0", **table}, servers)


def _check_order(name: str, instances: Sequence[Table]) -> None:
    """Where pods have numbers, the order of the file has to be theirs: ranks follow from it."""
    ends = [re.search(r"[0-9]{1,9}$", str(one.get("pod_name", ""))) for one in instances]
    numbers = [int(end[0]) for end in ends if end]
    if len(numbers) == len(instances) and numbers != sorted(numbers):
        raise TopologyError(
            f"{name} lists pods in another order than that of their names, so which rank is where"
            " is not clear: give rank_id, or order them"
        )


FORMS = (
    Form(_with_key("rank_list"), _of_rank_list),
    Form(_with_key(*_LISTS.values()), _of_lists),
    Form(_with_key("server_group_list"), _of_server_groups),
    Form(_with_key("server_list"), _of_one_world),
    Form(_with_key("group_list"), _of_groups),
)
"""All forms: the first that fits a table is its form; an object that none fits is taken as it is,
and its reader says what is missing."""


def check_count(name: str, table: Table, key: str, found: int) -> None:
    """Raise `TopologyError` where ``table`` has ``key`` and it is not ``found``."""
    if key in table and whole(table[key], 0, MOST) != found:
        raise TopologyError(f"{key} in {name} is {shown(table[key])}; it lists {found}")


def objects_in(name: str, table: Table, key: str) -> list[Table]:
    """The list of objects stored under ``key``; raises `TopologyError` if it is no such list."""
    if key not in table:
        keys = ", ".join(map(str, table)) or "nothing"
        raise TopologyError(f"{name} has no {key}, a list of objects; it has {keys:.200}")
    found = table[key]
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise TopologyError(f"{key} of {name} has to be a list of objects, not {shown(found)}")
    return found


def name_in(name: str, table: Table, key: str) -> str:
    """The name stored under ``key``, a text or a number.

    Raises `TopologyError` if it is neither.
    """
    if key not in table:
        raise TopologyError(f"{key} in {name} is missing; it has to be a name")
    found = table[key]
    if type(found) is int:  # ids of servers, groups and super pods are written either way
        return shown(found)
    if not isinstance(found, str) or not found:
        raise TopologyError(f"{key} in {name} is {shown(found)}; it has to be a name")
    return found
