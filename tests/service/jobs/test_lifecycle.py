from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e3d.service.jobs.lifecycle import MAX_CRASHES, TERMINAL, Happening, State, attempts_after, next_state


def test_a_usual_life() -> None:
    assert next_state(State.QUEUED, Happening.CLAIMED) is State.RUNNING
    assert next_state(State.RUNNING, Happening.COMPLETED) is State.SUCCEEDED


@pytest.mark.parametrize("state", sorted(TERMINAL))
@pytest.mark.parametrize("happening", list(Happening))
def test_nothing_happens_to_a_job_that_has_ended(state: State, happening: Happening) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        next_state(state, happening)


def test_a_job_whose_cancel_was_asked_for_never_goes_back_to_the_queue() -> None:
    for happening in (Happening.RELEASED, Happening.CRASHED):
        assert next_state(State.RUNNING, happening, 1, cancel_requested=True) is State.CANCELLED


@given(st.lists(st.sampled_from([Happening.CRASHED, Happening.RELEASED]), max_size=40))
def test_crashes_end_a_job_and_releases_never_do(ends: list[Happening]) -> None:
    """Whatever happens to a job that never completes, it fails with its last crash that is allowed, not before."""
    state, attempt, crashes = State.QUEUED, 0, 0
    for end in ends:
        state = next_state(state, Happening.CLAIMED)
        attempt = attempts_after(attempt, Happening.CLAIMED)
        assert attempt == crashes + 1
        crashes += end is Happening.CRASHED
        state, attempt = next_state(state, end, attempt), attempts_after(attempt, end)
        assert state is (State.FAILED if crashes == MAX_CRASHES else State.QUEUED)
        if state is State.FAILED:
            return
