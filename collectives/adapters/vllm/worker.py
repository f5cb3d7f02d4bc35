"""An extension of vLLM's workers that returns the emulated times of their calls.

llm = LLM(..., worker_extension_cls="collectives.adapters.vllm.worker.Times") rows =
[StepEntry(**row) for row in llm.collective_rpc("triplane_times")[0]]
"""

from typing import Any

from collectives.adapters.step_log import as_json


class Times:
    """The method that ``worker_extension_cls`` adds to a worker."""

    def triplane_times(self) -> list[dict[str, Any]]:
        """The timed calls so far, of all groups and of the KV connector; see `as_json`."""
        from vllm.distributed.kv_transfer import get_kv_transfer_group, has_kv_transfer_group

        rows: list[dict[str, Any]] = []
        passes = getattr(self, "passes", None)
        if passes is not None:
            rows += as_json(passes.log.rows())
        if has_kv_transfer_group():
            record = getattr(get_kv_transfer_group(), "record", None)
            rows += as_json(record.rows()) if record is not None else []
        return rows
