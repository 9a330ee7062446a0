"""What administrators are told of all users together."""

from __future__ import annotations

import datetime

from pydantic import Field

from e2e3d.service.http.wire import ResponseModel
from e2e3d.service.jobs.wire import JobView


class JobOfUser(ResponseModel):
    """A job, and whose it is."""

    user_id: str
    email: str
    job: JobView


class UserUse(ResponseModel):
    """What a user has stored and has unfinished."""

    user_id: str
    email: str
    stored_bytes: int
    quota_bytes: int
    unfinished_jobs: int


class Overview(ResponseModel):
    """The service in figures."""

    jobs: dict[str, int] = Field(description="By state, of all users.", examples=[{"queued": 2, "running": 1}])
    oldest_wait_s: float = Field(description="How long the job has waited that waits longest.")
    longest_silence_s: float = Field(description="The longest time that a running job has reported nothing.")
    users: int = Field(description="That may sign in.")
    users_near_quota: int = Field(description="With more than nine tenths of their quota stored.")
    photograph_bytes: int
    result_bytes: int
    lost_photographs: int = Field(description="Contents that the store was found to have lost.")
    pending_deliveries: int = Field(description="Messages to webhooks that are still to be sent.")
    backups: dict[str, datetime.datetime] = Field(
        description="The moment that the newest backup restores, as `made`, and the newest that was `verified`; if any."
    )
    most: tuple[UserUse, ...] = Field(description="The users who store most.")
