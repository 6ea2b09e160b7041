import os
import signal
from types import SimpleNamespace

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from text2sql_lightning.callbacks.interruption import StopRequest

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_kept_until_it_is_asked_for(number: int) -> None:
    before = signal.getsignal(number)
    request = StopRequest()
    request.listen()
    try:
        alone = SimpleNamespace(world_size=1)
        assert not request.is_agreed(alone)
        os.kill(os.getpid(), number)
        assert request.is_agreed(alone)
    finally:
        request.release()
    assert signal.getsignal(number) == before


def test_it_stops_at_once_where_that_is_allowed() -> None:
    request = StopRequest()
    request.listen()
    try:
        request.may_stop_at_once = True
        with pytest.raises(SIGTERMException):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        request.release()


def test_ranks_agree() -> None:
    asked: list[tuple[bool, bool]] = []

    def reduce(decision: bool, all: bool) -> bool:
        asked.append((decision, all))
        return True  # another rank was asked to stop

    trainer = SimpleNamespace(world_size=2, strategy=SimpleNamespace(reduce_boolean_decision=reduce))
    assert StopRequest().is_agreed(trainer)
    assert asked == [(False, False)]
