"""The compiled module; see `_moves.c`."""

from typing_extensions import Buffer

LAYOUT: int

def named(what: str) -> int: ...
def rouse(nap: int, whose: int) -> None: ...
def run(
    moves: Buffer,
    first: int,
    tag: int,
    mark: int,
    wait: int,
    send: Buffer,
    recv: Buffer,
    work: Buffer,
    own: Buffer,
) -> int: ...
