"""A peer without the secret, which sends what it likes to the ports of a world."""

import random

import zmq

MESSAGES = 200
"""How many a stranger sends among other faults."""


def pester(address: str, chance: random.Random, messages: int = MESSAGES, most: int = 2000) -> None:
    """Send so many messages of up to ``most`` random bytes, and go."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.linger = 100
    stranger.connect(address)
    for _ in range(messages):
        if stranger.poll(100, zmq.POLLOUT):
            stranger.send(chance.randbytes(chance.randrange(most)))
    stranger.close()
    context.term()
