"""What the commands do; each returns the exit code of the program."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e3d.client.clients import Client
from e2e3d.client.display import job_display, size, time_range, transfer_display
from e2e3d.client.errors import NotFoundError
from e2e3d.client.models import Event, ImageSet, Job, Record, UploadReport
from e2e3d.client.remembered import remember_set, remembered_set
from e2e3d.client.watching import failure_of
from e2e3d.errors import SettingsError


@dataclass(frozen=True)
class Submission:
    """A job as the command line describes it; `changes` are such as ``depth.max_size=768``."""

    image_set_id: str
    quality: str
    changes: Sequence[str]
    outputs: Sequence[str]
    name: str
    webhook_url: str | None


def login(url: str | None, email: str, password: str) -> int:
    """Sign in and keep the tokens."""
    with Client(url) as client:
        client.sign_in(email, password)
        _say(f"Signed in to {client.session.url} as {client.me().email}.")
    return 0


def logout(url: str | None) -> int:
    """End the sign-in and forget the tokens."""
    with Client(url) as client:
        client.sign_out()
        _say(f"Signed out of {client.session.url}.")
    return 0


def upload(url: str | None, photos: Sequence[Path], to: str | None, name: str | None, new: bool, as_json: bool) -> int:
    """Send photographs; prints the id of their set."""
    with Client(url) as client:
        image_set = _set_for(client, photos, to, name, new)
        with transfer_display("uploading") as show:
            report = client.upload(image_set.id, list(photos), progress=show)
    _describe(report)
    _print(report.model_dump_json() if as_json else report.image_set.id)
    return 0


def submit(url: str | None, asked: Submission, follow: bool, as_json: bool) -> int:
    """Queue a job; prints its id, and follows it if that is wanted."""
    with Client(url) as client:
        job = client.submit(
            asked.image_set_id,
            asked.quality,
            assignments(asked.changes),
            asked.name,
            asked.outputs,
            webhook_url=asked.webhook_url,
        )
        if job.forecast is not None:
            forecast = job.forecast
            ahead = f", after {forecast.queued_ahead} other jobs" if forecast.queued_ahead else ""
            _say(f"It will take about {time_range(forecast.seconds_low, forecast.seconds_high)}{ahead}.")
        _print(job.model_dump_json() if as_json else job.id)
        return _followed(client, job.id, as_json) if follow else 0


def watch(url: str | None, job_id: str, as_json: bool) -> int:
    """Follow a job to its end. Raises JobEndedError when it made no model."""
    with Client(url) as client:
        return _followed(client, job_id, as_json)


def listing(url: str | None, sets: bool, state: str | None, limit: int, as_json: bool) -> int:
    """Print jobs or image sets."""
    with Client(url) as client:
        rows: list[Record] = []
        cursor: str | None = None
        while len(rows) < limit:
            wanted = min(limit - len(rows), 200)
            page = client.list_image_sets(wanted, cursor) if sets else client.list_jobs(state, wanted, cursor)
            rows += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    if as_json:
        _print(json.dumps([row.model_dump(mode="json") for row in rows]))
    else:
        for row in rows:
            _print(_line(row))
    return 0


def download(url: str | None, job_id: str, out: Path, files: Sequence[str] | None, as_json: bool) -> int:
    """Download results; prints the paths of what is there now."""
    with Client(url) as client, transfer_display("downloading") as show:
        paths = client.download(job_id, out, files or None, progress=show)
    if as_json:
        _print(json.dumps([str(path) for path in paths]))
    else:
        for path in paths:
            _print(str(path))
    return 0


def cancel(url: str | None, job_id: str, wait: bool) -> int:
    """Stop a job, by default until its work has stopped."""
    with Client(url) as client:
        job = client.cancel(job_id)
        if wait and not job.ended:
            for _ in client.watch(job_id):
                pass
            job = client.job(job_id)
    _say(f"The job is {job.state}." if job.ended else "The job has been asked to stop.")
    return 0


def delete(url: str | None, ids: Sequence[str], sets: bool) -> int:
    """Delete jobs or image sets."""
    with Client(url) as client:
        for one in ids:
            if sets:
                client.delete_image_set(one)
            else:
                client.delete(one)
            _say(f"Deleted {one}.")
    return 0


def assignments(changes: Sequence[str]) -> Mapping[str, Any]:
    """What ``NAME=VALUE`` says; values are JSON where they can be, else text. Raises SettingsError ``bad-setting``."""
    found: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name.strip():
            raise SettingsError("bad-setting", f"--set {change} cannot be read.", "Write --set STAGE.FIELD=VALUE.")
        found[name.strip()] = value.strip()
        with contextlib.suppress(ValueError):
            found[name.strip()] = json.loads(value)
    return found


def _set_for(client: Client, photos: Sequence[Path], to: str | None, name: str | None, new: bool) -> ImageSet:
    if to is not None:
        return client.image_set(to)
    url = client.session.url
    known = None if new else remembered_set(url, photos)
    if known is not None:
        with contextlib.suppress(NotFoundError):
            return client.image_set(known)
    made = client.create_image_set(name or photos[0].resolve().stem or "photographs")
    remember_set(url, photos, made.id)
    return made


def _followed(client: Client, job_id: str, as_json: bool) -> int:
    with job_display() if not as_json else contextlib.nullcontext(_print_event) as show:
        for event in client.watch(job_id):
            show(event)
    job = client.job(job_id)
    if job.state != "succeeded":
        raise failure_of(job)
    how = "ready, but doubtful" if job.doubtful else "ready"
    _say(f"The model is {how}: e2e3d download {job_id} -o OUT")
    for reason in job.judgement.reasons if job.judgement is not None else ():
        _say(f"  [{reason.code}] {reason.message}\n    {reason.action}")
    return 0


def _describe(report: UploadReport) -> None:
    for remark in report.remarks:
        for finding in remark.findings:
            _say(f"{remark.name}: {finding.message}")
    parts = [
        f"{count} {what}"
        for count, what in (
            (report.added, "added"),
            (report.known, "already there"),
            (report.rejected, "rejected"),
            (report.ignored, "ignored"),
        )
        if count
    ]
    _say(f"{', '.join(parts) or 'nothing to do'}; {size(report.bytes_sent)} sent.")


def _line(row: Record) -> str:
    if isinstance(row, ImageSet):
        return f"{row.id}  {row.photo_count:>6} photographs  {size(row.bytes):>9}  {row.name}"
    assert isinstance(row, Job)
    share = f"{100 * row.progress:3.0f} %" if row.state == "running" else "     "
    state = "doubtful" if row.doubtful else row.state
    return f"{row.id}  {state:<9} {share}  {row.created_at:%Y-%m-%d %H:%M}  {row.quality:<8} {row.name}"


def _print_event(event: Event) -> None:
    _print(event.model_dump_json())


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
