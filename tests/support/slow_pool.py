"""A slow and obvious pool of one server: lists, and nothing but what the page on pools says."""

from dataclasses import dataclass, field


@dataclass
class SlowValue:
    """``uses``: of the tier that it is in, the last at the end, in numbers of operations."""

    key: str
    pages: int
    uses: list[int]


@dataclass
class SlowPool:
    """``tiers``: pages of each; ``policy``: "lru" or "lfu"; ``quotas``: pages by namespace.

    ``used``: when each value was stored and read, whichever tier it was in.
    """

    tiers: list[int]
    policy: str
    quotas: dict[str, int] = field(default_factory=dict)
    now: int = 0
    hits: int = 0
    misses: int = 0
    used: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.content: list[list[SlowValue]] = [[] for _ in self.tiers]

    def put(self, key: str, pages: int) -> bool:
        """Whether it was stored."""
        self.now += 1
        space = key.split("/")[0]
        quota = self.quotas.get(space)
        if quota is not None:
            if pages > quota:
                return False
            while self._of(space) + pages > quota:
                self._forget(self._longest_unused(space))
        if pages > self.tiers[0]:
            return False
        self._make_room(0, pages)
        self._forget(key)  # the new value had its place before the old one was given up
        self.content[0].append(SlowValue(key, pages, [self.now]))
        self.used[key] = [self.now]
        return True

    def get(self, key: str) -> bool:
        """Whether it was a hit."""
        self.now += 1
        for tier, values in enumerate(self.content):
            for value in values:
                if value.key == key:
                    self.hits += 1
                    self.used[key].append(self.now)
                    if tier and value.pages <= self.tiers[0]:
                        values.remove(value)
                        self._make_room(0, value.pages)
                        self.content[0].append(SlowValue(key, value.pages, [self.now]))
                    else:
                        value.uses.append(self.now)
                    return True
        self.misses += 1
        return False

    def remove(self, key: str) -> bool:
        self.now += 1
        return self._forget(key)

    def where(self) -> dict[str, int]:
        """The tier of each value."""
        return {value.key: tier for tier, values in enumerate(self.content) for value in values}

    def _forget(self, key: str) -> bool:
        for values in self.content:
            for value in values:
                if value.key == key:
                    values.remove(value)
                    return True
        return False

    def _make_room(self, tier: int, pages: int) -> None:
        while sum(value.pages for value in self.content[tier]) + pages > self.tiers[tier]:
            victim = min(self.content[tier], key=self._worth)
            self.content[tier].remove(victim)
            for below in range(tier + 1, len(self.tiers)):
                if victim.pages <= self.tiers[below]:
                    self._make_room(below, victim.pages)
                    self.now += 1
                    self.content[below].append(SlowValue(victim.key, victim.pages, [self.now]))
                    break

    def _worth(self, value: SlowValue) -> tuple[int, ...]:
        return (value.uses[-1],) if self.policy == "lru" else (len(value.uses), value.uses[-1])

    def _of(self, space: str) -> int:
        return sum(
            value.pages for values in self.content for value in values
            if value.key.split("/")[0] == space
        )  # fmt: skip

    def _longest_unused(self, space: str) -> str:
        """The namespace's own value that was used least, in whatever tier it is."""

        def worth(key: str) -> tuple[int, ...]:
            uses = self.used[key]
            return (uses[-1],) if self.policy == "lru" else (len(uses), uses[-1])

        return min((key for key in self.where() if key.split("/")[0] == space), key=worth)
