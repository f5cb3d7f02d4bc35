"""An extension of vLLM's workers that returns the emulated times of their calls.

llm = LLM(..., worker_extension_cls="collectives.adapters.vllm.worker.Times") rows = [Timed(**row)
for row in llm.collective_rpc("triplane_times")[0]]
"""

from typing import Any

from collectives.adapters.step_log import as_json


class Times:
    """The method that ``worker_extension_cls`` adds to a worker."""

    def triplane_times(self) -> list[dict[str, Any]]:
        """The timed calls so far, of experts and of the KV connector; see `step_log.as_json`."""
        from vllm.distributed import get_ep_group
        from vllm.distributed.kv_transfer import get_kv_transfer_group, has_kv_transfer_group

        rows: list[dict[str, Any]] = []
        ranks = get_ep_group().device_communicator
        for holder in (
            getattr(ranks, "all2all_manager", None),
            get_kv_transfer_group() if has_kv_transfer_group() else None,
        ):
            record = getattr(holder, "record", None)
            if record is not None:
                rows += as_json(record.rows())
        return rows
