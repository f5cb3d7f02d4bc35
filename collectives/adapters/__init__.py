"""Adapters: the collectives behind the interfaces of other libraries.

Each adapter needs its library, and is imported by itself. ``torch``: a backend of
torch.distributed. ``torch_npu``: its MoE calls. ``deep_ep``: DeepEP's buffers. ``transformers``:
expert parallelism of HuggingFace transformers. ``vllm``: a platform and a KV connector.
``token_exchange`` and ``step_log`` are what the adapters of engines share; ``token_arguments`` and
``groups``, what those of MoE libraries do.
"""
