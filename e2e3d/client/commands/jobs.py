"""Jobs: listed, looked at, followed, stopped, deleted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import JOBS, STATES, JobName, Json, Limit, Search, Url
from e2e3d.client.commands.output import moment, printable, put, put_list, put_record, say

if TYPE_CHECKING:
    from e2e3d.client import Client
    from e2e3d.client.models import Event, Job

app = typer.Typer()

Time = Annotated[str | None, typer.Option(metavar="TIME", help="Such as 2026-05-31 or 2026-05-31T18:30.")]


@command(app, "list", panel=JOBS)
def listing(
    sets: Annotated[bool, typer.Option("--sets", help="Image sets instead of jobs, as e2e3d sets list.")] = False,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only jobs that are queued, running, succeeded, failed or cancelled; may be repeated.",
            autocompletion=lambda: STATES,
        ),
    ] = None,
    search: Search = None,
    of: Annotated[str | None, typer.Option(metavar="SET", help="Only jobs on this image set, by id or name.")] = None,
    created_after: Time = None,
    created_before: Time = None,
    limit: Limit = 20,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """List your jobs, newest first."""
    from e2e3d.client import Client
    from e2e3d.client.commands.parsing import parse_moment
    from e2e3d.client.commands.service import first, image_set_id
    from e2e3d.errors import SettingsError

    if sets:
        if state or of or created_after or created_before:
            raise SettingsError("bad-option", "Image sets have only a name to look for.", "Leave the others out.")
        from e2e3d.client.commands.sets import list_sets

        return list_sets(search, limit, as_json, url)
    after, before = (None if text is None else parse_moment(text) for text in (created_after, created_before))
    with Client(url) as client:
        set_id = None if of is None else image_set_id(client, of)
        jobs = first(limit, lambda size, cursor: client.list_jobs(state, size, cursor, search, set_id, after, before))
    put_list(jobs, ("JOB", "STATE", "DONE", "SUBMITTED", "QUALITY", "NAME"), _cells, as_json)
    return 0


@command(app, panel=JOBS)
def show(job: JobName, as_json: Json = False, url: Url = None) -> int:
    """Show a job: how far it is, what it was asked for, what its model is worth, what its stages took."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id
    from e2e3d.client.display import size, time_range

    with Client(url) as client:
        found = client.job(job_id(client, job))
    left = None
    if found.eta_low_s is not None and found.eta_high_s is not None:
        left = time_range(found.eta_low_s, found.eta_high_s)
    fields = {
        "job": found.id,
        "name": found.name,
        "state": _state(found),
        "place in queue": None if found.place_in_queue is None else str(found.place_in_queue),
        "done": None if found.ended else f"{100 * found.progress:.0f} %",
        "time left": left,
        "quality": found.quality,
        "settings": ", ".join(f"{name}={value}" for name, value in found.settings.items()),
        "options": ", ".join(found.options),
        "image set": found.image_set_id,
        "repeats": found.retry_of,
        "submitted": moment(found.created_at),
        "started": moment(found.started_at),
        "finished": moment(found.finished_at),
        "results": size(found.result_bytes) if found.result_bytes else None,
        "kept until": moment(found.expires_at),
        "error": None if found.error is None else f"[{found.error.code}] {found.error.message} {found.error.action}",
    }
    put_record(found, fields, as_json)
    if not as_json:
        _put_stages(found)
        _say_reasons(found)
    return 0


@command(app, panel=JOBS)
def watch(job: JobName, as_json: Json = False, url: Url = None) -> int:
    """Follow a job to its end; exit code 4 if it made no model."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id

    with Client(url) as client:
        return followed(client, job_id(client, job), as_json)


@command(app, panel=JOBS)
def events(as_json: Json = False, url: Url = None) -> int:
    """Follow all of your jobs, until Ctrl-C."""
    from e2e3d.client import Client

    with Client(url) as client:
        for event in client.watch_all():
            if as_json:
                put(event.model_dump_json())
                continue
            share = event.data.get("progress")
            far = f"  {100 * share:.0f} %" if isinstance(share, float) else ""
            what = event.data.get("stage") if event.type == "job.progress" else event.type.removeprefix("job.")
            put(printable(f"{event.job_id}  {what}{far}  {event.data.get('name', '')}".rstrip()))
    return 0


@command(app, panel=JOBS)
def log(job: JobName, as_json: Json = False, url: Url = None) -> int:
    """Print the log of a job."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id

    with Client(url) as client:
        for line in client.log(job_id(client, job)):
            put(line.model_dump_json() if as_json else f"{line.at:%Y-%m-%d %H:%M:%S}  {line.level:<7}  {line.message}")
    return 0


@command(app, panel=JOBS)
def cancel(
    job: JobName,
    wait: Annotated[bool, typer.Option(help="Wait until its work has stopped.")] = True,
    url: Url = None,
) -> int:
    """Stop a job."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id

    with Client(url) as client:
        found = client.cancel(job_id(client, job))
        if wait and not found.ended:
            for _ in client.watch(found.id):
                pass
            found = client.job(found.id)
    say(f"The job is {found.state}." if found.ended else "The job has been asked to stop.")
    return 0


@command(app, panel=JOBS)
def delete(
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids or names of jobs that have ended.")],
    sets: Annotated[bool, typer.Option("--sets", help="Image sets instead of jobs, as e2e3d sets delete.")] = False,
    url: Url = None,
) -> int:
    """Delete jobs with their results."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import image_set_id, job_id

    with Client(url) as client:
        found = [image_set_id(client, one) if sets else job_id(client, one) for one in jobs]
        for one in found:
            if sets:
                client.delete_image_set(one)
            else:
                client.delete(one)
            say(f"Deleted {one}.")
    return 0


def followed(client: Client, job_id: str, as_json: bool) -> int:
    """Show a job until it has ended. Raises JobEndedError when it made no model."""
    from e2e3d.client.display import job_display
    from e2e3d.client.watching import failure_of

    with job_display() if not as_json else contextlib.nullcontext(_put_event) as show:
        for event in client.watch(job_id):
            show(event)
    job = client.job(job_id)
    if job.state != "succeeded":
        raise failure_of(job)
    how = "ready, but doubtful" if job.doubtful else "ready"
    say(f"The model is {how}: e2e3d download {job_id} -o OUT")
    _say_reasons(job)
    return 0


def _say_reasons(job: Job) -> None:
    for reason in job.judgement.reasons if job.judgement is not None and job.error is None else ():
        say(f"  [{reason.code}] {reason.message}\n    {reason.action}")


def _put_stages(job: Job) -> None:
    for stage in job.stages:
        reused = f", {stage.reused_units} of them reused" if stage.reused_units else ""
        put(f"  {stage.stage:<12} {stage.elapsed_s:8.1f} s {stage.cpu_s:8.1f} s CPU  {stage.units} units{reused}")


def _put_event(event: Event) -> None:
    put(event.model_dump_json())


def _state(job: Job) -> str:
    return "succeeded, doubtful" if job.doubtful else job.state


def _cells(job: Job) -> tuple[str, ...]:
    share = f"{100 * job.progress:3.0f} %" if job.state == "running" else ""
    state = "doubtful" if job.doubtful else job.state
    return job.id, state, share, moment(job.created_at), job.quality, job.name
