"""vLLM over Triplane: parallelism of all kinds on CPUs, and KV caches between instances.

Two plug-ins, which vLLM finds where both are installed. The platform is used only where
``TRIPLANE_VLLM=1`` is set, for every rank alike:

    LLM(model, enable_expert_parallel=True, ...)    # with any parallel sizes

The KV connector is there by its name, with any platform:

    LLM(model, kv_transfer_config=KVTransferConfig(
        kv_connector="TriplaneConnector", kv_role="kv_producer",
        kv_connector_extra_config={"rank": 0, "ranks": 2}), ...)

See docs/vllm.md.
"""

import os

SWITCH = "TRIPLANE_VLLM"
"""The environment variable that turns the platform on."""

CONNECTOR = "TriplaneConnector"
"""What ``kv_connector`` calls ours."""


def platform() -> str | None:
    """The name of our platform's class for ``vllm.platform_plugins``.

    None unless ``TRIPLANE_VLLM=1``.

    Raises `ValueError` for another value than 0, 1 or nothing. vLLM takes at most one platform
    plug-in, so it must be asked for.
    """
    word = os.environ.get(SWITCH, "")
    if word not in ("", "0", "1"):
        raise ValueError(f"{SWITCH} is {word!r}; it has to be 1, or 0 or nothing")
    return "collectives.adapters.vllm.platform.TriplanePlatform" if word == "1" else None


def register() -> None:
    """Register what is ours with vLLM, for ``vllm.general_plugins``. Idempotent.

    The KV connector, and, where our platform is used and its world goes on after a loss, what
    engines do then.
    """
    from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory

    if CONNECTOR not in KVConnectorFactory._registry:
        module = "collectives.adapters.vllm.connector"
        KVConnectorFactory.register_connector(CONNECTOR, module, CONNECTOR)
    if os.environ.get(SWITCH) == "1":
        from collectives.adapters.vllm.remaining import goes_on

        if goes_on():
            from collectives.adapters.vllm.losses import take_sentinel

            take_sentinel()
