"""The same collectives in another library's shape; each needs that library, and is imported alone.

``torch``: a backend of torch.distributed. ``transformers``: expert parallelism of HuggingFace
transformers. ``vllm``: a platform and a KV connector. ``exchange`` and ``steps`` are what engines'
adapters share.
"""
