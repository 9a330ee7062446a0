"""A field on a job is its table, its record, its wire model, a migration and the documentation; no code copies it."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from e2e3d.client.models import Job, Page
from e2e3d.config.run_options import RunOptions
from e2e3d.service.jobs.records import JobRecord, LogLine, StageRecord
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.jobs.wire import JobDetail, JobView, LogView, StageView, job_detail, job_view

NOW = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC)
DERIVED = {"options", "place_in_queue", "cancel_requested", "forecast", "error", "judgement"}
"""What a job shows in another form than its record has."""


def names(record: type) -> set[str]:
    return {field.name for field in dataclasses.fields(record)}


def job_record(**given: Any) -> JobRecord:
    values: dict[str, Any] = dict.fromkeys(names(JobRecord))
    texts = {"id": "7", "user_id": "1", "name": "statue", "state": "queued", "quality": "medium"}
    numbers = dict.fromkeys(("priority", "attempt", "interruptions", "units_done", "units_total", "result_bytes"), 3)
    others = {
        "settings": {"depth.max_size_px": 640},
        "options": RunOptions(scale=2.0),
        "outputs": ("glb",),
        "forecast": {},
    }
    times = dict.fromkeys(("created_at", "queued_at", "updated_at"), NOW)
    return JobRecord(**values | texts | numbers | others | times | {"progress": 0.5, "start_tag": 0.0} | given)


def test_members_are_those_of_the_records() -> None:
    assert set(JobView.model_fields) - DERIVED <= names(JobRecord)
    assert set(StageView.model_fields) == names(StageRecord)
    assert set(LogView.model_fields) == names(LogLine)
    assert names(JobRecord) <= set(JobRow.__table__.columns.keys())
    assert set(Job.model_fields) == set(JobDetail.model_fields)


def test_members_are_taken_by_name() -> None:
    job = job_record()
    shown = job_view(job, place=2)
    for name in set(JobView.model_fields) - DERIVED:
        assert getattr(shown, name) == getattr(job, name)
    assert shown.options == {"scale": 2.0}
    assert (shown.place_in_queue, shown.cancel_requested, shown.forecast, shown.error) == (2, False, None, None)


def test_client_reads_what_a_newer_service_says() -> None:
    sent = job_detail(job_record(), 1, (StageRecord(1, "depth", 4, 0, 8.0, 9.0, 5, NOW),)).model_dump(mode="json")
    job = Job.model_validate(sent | {"state": "paused", "colour": "green"})
    assert (job.state, job.ended, job.stages[0].stage, job.created_at) == ("paused", False, "depth", NOW)
    with pytest.raises(ValidationError):
        job.state = "running"  # type: ignore[misc]
    del sent["stages"]
    assert Page[Job].model_validate({"items": [sent]}).items[0].stages == ()
