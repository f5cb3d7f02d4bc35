"""The options of RoCE planes, checked; each default is an assumption, with its source."""

from dataclasses import dataclass, fields

from fabric.engines.base import EngineError
from topology.arguments import flag, integer, number, shown, text

SELECTIVE, GO_BACK = "selective-repeat", "go-back-n"

RECOVERIES = (SELECTIVE, GO_BACK)
"""What is sent again when packets are lost: those, or all from the first of them on."""

_MOST = 1 << 40
_PFC, _DCQCN = ("pfc_xoff", "pfc_headroom"), ("ecn_low", "ecn_high", "ecn_most")


@dataclass(frozen=True)
class RoceOptions:
    """Which planes are of RoCE, and how these work.

    - ``roce``: the names of the planes, with commas between; none by default, and then all have
      credits.
    - ``recovery``: one of `RECOVERIES`. What recent NICs do (NVIDIA's from ConnectX-6 on); older
      ones go back.
    - ``window``: packets of a transfer under way at most. IRN (Mittal et al., SIGCOMM 2018) caps
      at the bandwidth-delay product: 1 MiB is 20 us at 400 Gbit/s.
    - ``timeout_us``: after so long without an answer what was sent is taken for lost: 4.096 us
      times 2**10, a local ACK timeout of 10 in the InfiniBand specification. IRN has 320 us.
    - ``reordering``: packets by which one may be overtaken that is not lost, under selective
      repeat; None: none where a transfer has one way, and else only the timeout tells.
    - ``buffer``: bytes of a switch, shared by its ports: 32 MiB, as in SimAI's and ASTRA-sim's
      configurations of HPCC's ns-3 (BUFFER_SIZE 32).
    - ``pfc``: pause frames; ``pfc_xoff``: bytes of a port and class at which it pauses its sender,
      None: an eighth of what is free, as in HPCC's switch (switch-mmu.cc); ``pfc_headroom``: bytes
      of a port and class for what comes before the sender has stopped, None: what a link brings in
      the time of its latency there and back, and three packets.
    - ``dcqcn``: switches mark (ECN) and senders slow down. ``ecn_low``, ``ecn_high``: bytes of a
      queue from where on packets are marked, with a probability that rises to ``ecn_most``, and
      always; None: what a link carries in 16 and 64 us, which is 800 KB and 3.2 MB at 400 Gbit/s
      as in SimAI's configuration, with its 0.2. The paper has 5 KB, 200 KB and 0.01 at 40 Gbit/s.
    - ``cnp_us``, ``alpha_us``, ``rate_us``, ``rate_bytes``, ``rounds``, ``gain``: 50 us between
      warnings, 55 us a tick of alpha and of the rate, 10 MB, 5 rounds of fast recovery, g = 1/256:
      the DCQCN paper (Zhu et al., SIGCOMM 2015).
    - ``increase``, ``hyper``, ``least``: of what a transfer's first links carry: 1/1000 (the
      paper's 40 Mbit/s of 40 Gbit/s), ten times that (the ratio in HPCC's configuration), and
      1/1000 (a lowest rate is not in the paper; HPCC's is 100 Mbit/s or more).
    """

    roce: str = ""
    recovery: str = SELECTIVE
    window: int = 256
    timeout_us: float = 4194.304
    reordering: int | None = None
    buffer: int = 32 << 20
    pfc: bool = True
    pfc_xoff: int | None = None
    pfc_headroom: int | None = None
    dcqcn: bool = True
    ecn_low: int | None = None
    ecn_high: int | None = None
    ecn_most: float = 0.2
    cnp_us: float = 50.0
    alpha_us: float = 55.0
    rate_us: float = 55.0
    rate_bytes: int = 10_000_000
    rounds: int = 5
    gain: float = 1 / 256
    increase: float = 0.001
    hyper: float = 0.01
    least: float = 0.001

    def __post_init__(self) -> None:
        text(self.roce, "roce", "names of planes")
        flag(self.pfc, "pfc")
        flag(self.dcqcn, "dcqcn")
        if self.recovery not in RECOVERIES:
            choices = ", ".join(RECOVERIES)
            raise EngineError(f"recovery is {shown(self.recovery)}; there are {choices}")
        integer(self.window, "window", 1, 1 << 16)
        for name in ("timeout_us", "cnp_us", "alpha_us", "rate_us"):
            number(getattr(self, name), name, 1e-3, 1e9)
        for name in ("reordering", "pfc_xoff", "pfc_headroom", "ecn_low", "ecn_high"):
            if getattr(self, name) is not None:
                integer(getattr(self, name), name, 0, _MOST)
        for name in ("buffer", "rate_bytes", "rounds"):
            integer(getattr(self, name), name, 1, _MOST)
        for name, least in (
            ("ecn_most", 0.0), ("gain", 0.0), ("increase", 0.0), ("hyper", 0.0), ("least", 1e-6),
        ):  # fmt: skip
            number(getattr(self, name), name, least, 1.0)
        self._check_together()

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes of RoCE."""
        return tuple(name for part in self.roce.split(",") if (name := part.strip()))

    def _check_together(self) -> None:
        """Raise `EngineError` for options that would do nothing, or contradict each other."""
        changed = [one.name for one in fields(self) if getattr(self, one.name) != one.default]
        if changed and not self.planes:
            raise EngineError(
                f"{changed[0]} is {getattr(self, changed[0])}, but no plane is of RoCE: name them,"
                " as in roce=rdma"
            )
        for switch, names in (("pfc", _PFC), ("dcqcn", (*_DCQCN, *_RATES))):
            idle = [name for name in names if name in changed and not getattr(self, switch)]
            if idle:
                raise EngineError(
                    f"{idle[0]} is {getattr(self, idle[0])}, but {switch} is false, so that it"
                    " would do nothing"
                )
        if self.reordering is not None and self.recovery == GO_BACK:
            raise EngineError(
                f"reordering is {self.reordering}, but {GO_BACK} takes packets in order only"
            )
        if None not in (self.ecn_low, self.ecn_high) and self.ecn_low > self.ecn_high:  # type: ignore[operator]
            raise EngineError(
                f"ecn_low is {self.ecn_low}, above ecn_high, which is {self.ecn_high}"
            )


_RATES = ("cnp_us", "alpha_us", "rate_us", "rate_bytes", "rounds", "gain", "increase", "hyper",
          "least")  # fmt: skip
