"""The routings of a recorded run, as `bench moe` reads them."""

from collections import Counter

from collectives.moe.routing.captured import CapturedRouting, RoutedTokens, gathered
from collectives.workloads.recorded.tables import layers, steps_of
from fabric.run_log.value import RunLog


def routings(log: RunLog) -> CapturedRouting:
    """Where the tokens of all dispatches of a run went; raises `RoutingError` if it has none.

    Layers are named by the spans around their calls, steps as in `Tables.by_step`; without spans
    each dispatch of a rank is a step of its own.
    """
    layer = layers(log)
    step = steps_of(log, layer)
    position = {(kind.group, rank): at for kind in log.kinds for at, rank in enumerate(kind.group)}
    blocks, alone = [], Counter[int]()
    for part in (log.parts.routing >= 0).nonzero()[0].tolist():
        found = log.routings[int(log.parts.routing[part])]
        rank = position[log.call(int(log.parts.call[part])).group, int(log.parts.rank[part])]
        at = step[part] if layer[part] else alone[rank]
        alone[rank] += 1
        blocks.append(
            RoutedTokens(at, layer[part], rank, found.experts, found.topk_idx, found.weights)
        )
    return gathered(blocks)
