"""``e2e3d admin``: the service itself, for administrators."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import Json, Limit, Url
from e2e3d.client.commands.output import moment, put, put_list, put_record, say
from e2e3d.client.commands.service import first, user_id
from e2e3d.client.display import size
from e2e3d.client.models import AuditEntry, JobOfUser

app = typer.Typer()
_LEVELS = ("debug", "info", "warning", "error")


@command(app)
def audit(
    user: Annotated[str | None, typer.Option(help="Only what this user did, by email address or id.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as job.submit.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """List who did what, newest first."""
    with Client(url) as client:
        only = None if user is None else user_id(client, user)
        found = first(limit, lambda size, cursor: client.list_audit(size, cursor, only, action))
    put_list(found, ("WHEN", "USER", "ACTION", "WHAT", "FROM", "DETAIL"), _cells, as_json)
    return 0


@command(app)
def overview(as_json: Json = False, url: Url = None) -> int:
    """Show the service in figures: the queue, what is stored, who stores most, how old the newest backup is."""
    with Client(url) as client:
        found = client.overview()
    fields = {
        "jobs": ", ".join(f"{count} {state}" for state, count in found.jobs.items()),
        "waits longest": f"{found.oldest_wait_s:.0f} s",
        "users": f"{found.users}, {found.users_near_quota} near their quota",
        "photographs": size(found.photograph_bytes),
        "results": size(found.result_bytes),
        "lost photographs": str(found.lost_photographs),
        "webhook messages to send": str(found.pending_deliveries),
        "backups": ", ".join(f"{what} {moment(at)}" for what, at in found.backups.items()) or "none",
    }
    put_record(found, fields, as_json)
    return 0


@command(app)
def jobs(
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    user: Annotated[str | None, typer.Option(help="Only of this user, by email address or id.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """List the jobs of all users, newest first."""
    with Client(url) as client:
        only = None if user is None else user_id(client, user)
        found = first(limit, lambda size, cursor: client.list_jobs_of_all(size, cursor, state, only))
    put_list(found, ("JOB", "USER", "STATE", "QUALITY", "MADE", "NAME"), _job_cells, as_json)
    return 0


@command(app)
def cancel(jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids.")], url: Url = None) -> int:
    """Cancel jobs, whosever they are."""
    with Client(url) as client:
        for one in jobs:
            say(f"{one}: {client.cancel_job_of_any(one).state}")
    return 0


@command(app, "log-level")
def log_level(
    level: Annotated[
        str | None,
        typer.Argument(help="debug, info, warning or error; nothing shows it.", autocompletion=lambda: _LEVELS),
    ] = None,
    url: Url = None,
) -> int:
    """Show or set the level of the service's log; a new one holds in all processes within ten seconds."""
    with Client(url) as client:
        put(client.log_level() if level is None else client.set_log_level(level))
    return 0


def _job_cells(one: JobOfUser) -> tuple[str, ...]:
    return one.job.id, one.email, one.job.state, one.job.quality, moment(one.job.created_at), one.job.name


def _cells(one: AuditEntry) -> tuple[str, ...]:
    what = " ".join(part for part in (one.resource_type, one.resource_id) if part)
    detail = json.dumps(one.detail) if one.detail else ""
    return f"{one.at:%Y-%m-%d %H:%M:%S}", one.user_id or "", one.action, what, one.address or "", detail
