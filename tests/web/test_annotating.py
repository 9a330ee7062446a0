"""Annotations in a real browser: put on the model, read again, changed, and seen by visitors who may not."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import httpx
import pytest

from benchmarks.streaming import relief
from e2e3d.ops.formats.glb import write_glb
from e2e3d.service.database.table_base import new_id
from e2e3d.service.jobs.tables import JobRow
from tests.live import LiveService, live_service
from tests.web.scripts_of_browser import seen_by

TITLE, TEXT = "<img src=x onerror=alert(1)>\u202egpj.", "<script>alert(2)</script>\nas wide as a hand"


def finished_job(live: LiveService) -> tuple[str, str]:
    """A job whose model is a hilly square, and an address that shares it."""
    model = relief(2000, 256)
    file = io.BytesIO()
    write_glb(file, model, [cv2.imencode(".jpg", model.pages[0])[1].tobytes()])
    headers, job_id = {"Authorization": f"Bearer {live.key}"}, new_id()
    user_id = httpx.get(f"{live.url}/v1/me", headers=headers).json()["id"]
    with live.services.database.session() as session:
        session.add(JobRow(id=job_id, user_id=user_id, quality="low", state="queued", name="Hills"))
    fence = live.begin(job_id)
    live.result(fence, "model.glb", file.getvalue())
    live.end(fence)
    made = httpx.post(f"{live.url}/v1/jobs/{job_id}/shares", json={}, headers=headers).json()
    return job_id, live.url + "/shared/" + made["url"].rsplit("/shared/", 1)[1]


@pytest.mark.slow
def test_places_of_a_model_are_annotated_and_shown_to_visitors(tmp_path: Path) -> None:
    with live_service(tmp_path) as live:
        job_id, share = finished_job(live)
        seen = seen_by("annotating.mjs", URL=live.url, JOB=job_id, SHARE=share, TITLE=TITLE, TEXT=TEXT)
    assert seen["text"] == TEXT
    assert seen["shared"] == TEXT
    assert seen["visitor_may"] == 0
    assert seen["middle"] == pytest.approx([0.5, 0.5], abs=0.02)
    assert seen["corner"] == pytest.approx([0.6, 0.5], abs=0.02)
