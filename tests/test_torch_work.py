"""`GroupWork`: what threads find that learn of the end of one call at a time."""

import threading
import time
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[torch]'")

from collectives.adapters.torch.completion import Completion  # noqa: E402
from collectives.adapters.torch.work import GroupWork  # noqa: E402


class Part:
    """A part of a call that is over."""

    def wait(self, timeout: float | None = None) -> None:
        """Return: it is over."""

    def done(self) -> bool:
        return True

    def times(self) -> tuple[float, float]:
        return 0.0, 0.0

    def watch(self, call: Any) -> None:
        """Never call it, so that only who waits learns of the end."""


class Quiet(Completion):
    """Sets no future by itself."""

    def expect(self, call: Any) -> None:
        """Do nothing."""


def test_a_future_is_set_when_a_wait_returns_whoever_sets_it() -> None:
    work = GroupWork(Quiet(), [Part()], 60.0, [torch.ones(2)])
    future, begun = work.get_future(), threading.Event()
    set_result = future.set_result

    def slowly(result: Any) -> None:
        begun.set()
        time.sleep(0.2)
        set_result(result)

    future.set_result = slowly
    other = threading.Thread(target=work.is_completed)
    other.start()
    assert begun.wait(10.0)
    assert work.wait()
    assert future.done()
    other.join(10.0)
    assert future.value()[0].tolist() == [1.0, 1.0]
