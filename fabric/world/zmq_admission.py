"""Whom an authority lets in: what is checked of a hello, and why one is refused."""

import secrets

from fabric.world.messages import Hello
from fabric.world.wire import LEFT_ALREADY, VERSION
from fabric.world.world import World
from fabric.world.zmq_peers import JoinedPeers


def knows(hello: Hello, token: str) -> bool:
    """Whether a hello has the world's token."""
    return secrets.compare_digest(hello.token.encode(), token.encode())


def has_left(peers: JoinedPeers, rank: int | None) -> bool:
    """Whether a rank was here and is no more."""
    peer = peers.of_rank(rank)
    return peer is not None and (peer.left or peer.gone)


def refusal(hello: Hello, world: World, peers: JoinedPeers, token: str) -> str:
    """Why who says ``hello`` is not let in; empty if he is."""
    rank, size = hello.rank, hello.size
    if not knows(hello, token):
        return "this is another world: the token is wrong"
    if hello.version != VERSION:
        return f"this world speaks version {VERSION} of the protocol, not {hello.version}"
    if size != world.size or (rank is not None and rank >= size):
        return f"this is a world of {world.size} ranks, not rank {rank} of {size}"
    peer = peers.of_rank(rank)
    if peer is None:
        return ""
    if not has_left(peers, rank):
        return (
            f"rank {rank} is there already, as process {peer.pid}; if two jobs meet here, give each"
            " a MASTER_PORT of its own"
        )
    if world.error is not None:
        return f"this world has ended: {world.error}"
    return f"rank {rank} {LEFT_ALREADY}"
