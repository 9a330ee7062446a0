from __future__ import annotations

import pytest
from ray import exceptions

from e2e3d.errors import MachineError
from e2e3d.pipeline.units import UnitCall
from e2e3d.tasks.attempts import next_attempt
from e2e3d.tasks.unit_queue import UnitAttempt


def test_nodes_that_die_are_no_tries_of_a_unit_until_they_do_it_again_and_again() -> None:
    attempt = UnitAttempt(0, 0, UnitCall("tests.pipeline.toy_stages:SLEEP", "sleep/1", (), None))
    for number in range(1, 21):
        attempt = next_attempt(attempt, exceptions.NodeDiedError("the node died"))
        assert (attempt.number, attempt.interruptions) == (1, number)
    for number in (2, 3):
        attempt = next_attempt(attempt, exceptions.NodeDiedError("the node died"))
        assert attempt.number == number
    with pytest.raises(MachineError) as caught:
        next_attempt(attempt, exceptions.NodeDiedError("the node died"))
    assert caught.value.code == "worker-died"


def test_a_process_that_dies_alone_is_tried_three_times() -> None:
    attempt = UnitAttempt(0, 0, UnitCall("tests.pipeline.toy_stages:SLEEP", "sleep/1", (), None))
    for _ in range(2):
        attempt = next_attempt(attempt, exceptions.WorkerCrashedError())
    with pytest.raises(MachineError, match="3 times"):
        next_attempt(attempt, exceptions.WorkerCrashedError())
