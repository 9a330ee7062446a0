from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e3d.service.jobs.lifecycle import MAX_CRASHES, TERMINAL, JobTransition, State, attempts_after, next_state


def test_a_usual_life() -> None:
    assert next_state(State.QUEUED, JobTransition.CLAIMED) is State.RUNNING
    assert next_state(State.RUNNING, JobTransition.COMPLETED) is State.SUCCEEDED


@pytest.mark.parametrize("state", sorted(TERMINAL))
@pytest.mark.parametrize("transition", list(JobTransition))
def test_nothing_happens_to_a_job_that_has_ended(state: State, transition: JobTransition) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        next_state(state, transition)


def test_a_job_whose_cancel_was_asked_for_never_goes_back_to_the_queue() -> None:
    for transition in (JobTransition.RELEASED, JobTransition.CRASHED):
        assert next_state(State.RUNNING, transition, 1, cancel_requested=True) is State.CANCELLED


@given(st.lists(st.sampled_from([JobTransition.CRASHED, JobTransition.RELEASED]), max_size=40))
def test_crashes_end_a_job_and_releases_never_do(ends: list[JobTransition]) -> None:
    """Whatever happens to a job that never completes, it fails with its last crash that is allowed, not before."""
    state, attempt, crashes = State.QUEUED, 0, 0
    for end in ends:
        state = next_state(state, JobTransition.CLAIMED)
        attempt = attempts_after(attempt, JobTransition.CLAIMED)
        assert attempt == crashes + 1
        crashes += end is JobTransition.CRASHED
        state, attempt = next_state(state, end, attempt), attempts_after(attempt, end)
        assert state is (State.FAILED if crashes == MAX_CRASHES else State.QUEUED)
        if state is State.FAILED:
            return
