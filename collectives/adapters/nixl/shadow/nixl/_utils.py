"""NIXL's ``nixl._utils`` as Triplane has it: memory by address, for its examples and tests."""

import ctypes

_C = ctypes.CDLL(None)
_C.malloc.argtypes, _C.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
_C.free.argtypes, _C.free.restype = (ctypes.c_void_p,), None


def malloc_passthru(size: int) -> int:
    """The address of ``size`` new bytes."""
    return int(_C.malloc(size) or 0)


def free_passthru(address: int) -> None:
    """Give back what `malloc_passthru` returned."""
    _C.free(address)


def ba_buf(address: int, size: int) -> None:
    """Fill ``size`` bytes with 0xba."""
    ctypes.memset(address, 0xBA, size)


def verify_transfer(one: int, other: int, size: int) -> None:
    """Raise `AssertionError` unless ``size`` bytes at two addresses are equal."""
    if ctypes.string_at(one, size) != ctypes.string_at(other, size):
        raise AssertionError(f"{size} bytes at {one} and {other} differ")


__all__ = ["ba_buf", "free_passthru", "malloc_passthru", "verify_transfer"]
