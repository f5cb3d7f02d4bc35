"""What dispatches and combines of DeepEP have to give, worked out one token after the other."""

from typing import NamedTuple

import torch

BF16, FP8 = torch.bfloat16, torch.float8_e4m3fn


class Tokens(NamedTuple):
    """A rank's own."""

    x: torch.Tensor
    idx: torch.Tensor
    weights: torch.Tensor


class World(NamedTuple):
    """All ranks' tokens, known to every rank: made of the same seed."""

    ranks: int
    experts: int
    hidden: int
    tokens: list[Tokens]

    @property
    def local(self) -> int:
        return self.experts // self.ranks

    def arrivals(self, rank: int) -> list[tuple[int, int]]:
        """(source, token) of the rows that a rank gets."""
        return [
            (source, row) for source in range(self.ranks)
            for row in range(len(self.tokens[source].x)) if rank in self.hosts(source, row)
        ]  # fmt: skip

    def hosts(self, source: int, row: int) -> list[int]:
        """The rank of each choice, -1 for none."""
        return [e // self.local if e >= 0 else -1 for e in self.tokens[source].idx[row].tolist()]

    def place(self, rank: int, source: int, row: int) -> list[int]:
        """The experts of a token by their place on a rank, -1 for others."""
        first = rank * self.local
        chosen = self.tokens[source].idx[row].tolist()
        return [e - first if first <= e < first + self.local else -1 for e in chosen]

    def gather(self, rank: int, name: str) -> torch.Tensor:
        """The rows that a rank gets of "x", "idx" or "weights"."""
        like = getattr(self.tokens[0], name)
        rows = [getattr(self.tokens[s], name)[t] for s, t in self.arrivals(rank)]
        return torch.stack(rows) if rows else like.new_empty((0, *like.shape[1:]))


def made(ranks: int, seed: int, *, tokens: int = 9, hidden: int = 256, top_k: int = 3,
         local: int = 4, idle: bool = True) -> World:  # fmt: skip
    """A world with an idle rank, one whose tokens all go to expert 0, and masked choices."""
    generator = torch.Generator().manual_seed(seed)
    experts, all_tokens = ranks * local, []
    for rank in range(ranks):
        own = 0 if idle and rank == ranks - 1 else tokens - rank % 3
        x = torch.randn((own, hidden), generator=generator).to(BF16)
        scores = torch.rand((own, experts), generator=generator)
        if rank == 0:
            scores[:, 0] = 2
        idx = scores.topk(top_k)[1] if own else torch.empty((0, top_k), dtype=torch.int64)
        idx[torch.rand((own, top_k), generator=generator) < 0.2] = -1
        all_tokens.append(Tokens(x, idx, torch.rand((own, top_k), generator=generator)))
    return World(ranks, experts, hidden, all_tokens)


def fp8(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """DeepEP's recipe, block after block; scales lie by columns."""
    rows, hidden = x.shape
    scales = torch.empty((-(-hidden // 128), rows), dtype=torch.float32).T
    numbers = torch.empty((rows, hidden), dtype=FP8)
    for block in range(scales.shape[1]):
        part = slice(block * 128, min((block + 1) * 128, hidden))
        most = x[:, part].float().abs().amax(dim=1).clamp(1e-4) if rows else torch.empty(0)
        scales[:, block] = most / 448
        numbers[:, part] = (x[:, part].float() * (448 / most)[:, None]).to(FP8)
    return numbers, scales


def result(x: torch.Tensor, rank: int) -> torch.Tensor:
    """What the experts of a rank make of a token."""
    return (x.float() * (rank + 1) / 3).to(BF16)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Of one type, shape and value."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a, b) if a.element_size() > 1 else torch.equal(
        a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8)
    )  # fmt: skip


def summed(world: World, rank: int, node: int | None, bias: list[torch.Tensor]) -> torch.Tensor:
    """V1: over ranks ascending, with nodes first inside each and rounded; from the bias on."""
    own = world.tokens[rank]
    total = torch.zeros((len(own.x), world.hidden))
    for each in bias:
        total += each.float()
    for row in range(len(own.x)):
        there = sorted({host for host in world.hosts(rank, row) if host >= 0})
        if node is None:
            for host in there:
                total[row] += result(own.x[row], host).float()
            continue
        for number in sorted({host // node for host in there}):
            inside = torch.zeros(world.hidden)
            for host in there:
                if host // node == number:
                    inside += result(own.x[row], host).float()
            total[row] += inside.to(BF16).float()
    return total.to(BF16)
