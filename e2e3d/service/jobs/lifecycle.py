"""The state machine of a job: which changes there are, and what a change means. Pure: the repository writes it down."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobTransition(enum.StrEnum):
    """What can happen to a job.

    ``claimed`` by a runner; ``released`` by a runner that shuts down; ``crashed``: its process died alone;
    ``interrupted``: its runner, Ray or machine went away under it; ``completed``; ``refused``: it ended with an error
    that a user can act on; ``stopped``: somebody asked to cancel it, and all its work has ended.
    """

    CLAIMED = "claimed"
    RELEASED = "released"
    CRASHED = "crashed"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    REFUSED = "refused"
    STOPPED = "stopped"


MAX_CRASHES = 3
MAX_INTERRUPTIONS = 20
"""Far more than a service sees that is restarted now and then: a job that takes its machine down must end too."""

TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
ACTIVE = frozenset({State.QUEUED, State.RUNNING})

_CHANGES: dict[tuple[State, JobTransition], State] = {
    (State.QUEUED, JobTransition.CLAIMED): State.RUNNING,
    (State.QUEUED, JobTransition.STOPPED): State.CANCELLED,
    (State.RUNNING, JobTransition.RELEASED): State.QUEUED,
    (State.RUNNING, JobTransition.CRASHED): State.QUEUED,
    (State.RUNNING, JobTransition.INTERRUPTED): State.QUEUED,
    (State.RUNNING, JobTransition.COMPLETED): State.SUCCEEDED,
    (State.RUNNING, JobTransition.REFUSED): State.FAILED,
    (State.RUNNING, JobTransition.STOPPED): State.CANCELLED,
}


def next_state(
    state: State, transition: JobTransition, attempt: int = 1, cancel_requested: bool = False, interruptions: int = 0
) -> State:
    """The state after `transition`.

    Args:
        state: before.
        transition: what changed.
        attempt: how often the job was begun: the crash of the last attempt that is allowed fails the job.
        cancel_requested: a job that would go back to the queue although somebody wants it cancelled is cancelled.
        interruptions: before this one; the last one that is allowed fails the job.

    Raises:
        ValueError: when that cannot happen to a job in this state.
    """
    after = _CHANGES.get((state, transition))
    if after is None:
        raise ValueError(f"a job that is {state} cannot be {transition}")
    if after is State.QUEUED and cancel_requested:
        return State.CANCELLED
    if transition is JobTransition.CRASHED and attempt >= MAX_CRASHES:
        return State.FAILED
    if transition is JobTransition.INTERRUPTED and interruptions + 1 >= MAX_INTERRUPTIONS:
        return State.FAILED
    return after


def attempts_after(attempt: int, transition: JobTransition) -> int:
    """How many attempts count after `transition`: a claim begins one; what is not the job's failure takes it back."""
    return attempt + {JobTransition.CLAIMED: 1, JobTransition.RELEASED: -1, JobTransition.INTERRUPTED: -1}.get(
        transition, 0
    )


def event_type(state: State) -> str:
    """The type of the event that announces a state."""
    return f"job.{state}"


PROGRESS_EVENT = "job.progress"
