"""Queue jobs: new ones, and earlier ones again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from e2e3d.client.commands.group import command
from e2e3d.client.commands.jobs import followed
from e2e3d.client.commands.options import (
    JOBS,
    Changes,
    Intrinsics,
    JobName,
    Json,
    KnownDistance,
    Outputs,
    Quality,
    Scale,
    SetName,
    Url,
)
from e2e3d.client.commands.output import put, put_record, say
from e2e3d.client.commands.photographs import Masks, send
from e2e3d.config.overrides import parse_assignments

if TYPE_CHECKING:
    from e2e3d.client import Client
    from e2e3d.client.models import Forecast, Job

app = typer.Typer()

Priority = Annotated[int | None, typer.Option(help="Larger comes first; above 0 is for administrators.")]
Follow = Annotated[bool, typer.Option("--watch", help="Wait until it has ended.")]


@command(app, panel=JOBS)
def forecast(
    image_set: SetName, quality: Quality = "medium", changes: Changes = None, as_json: Json = False, url: Url = None
) -> int:
    """Say what a job would take, without submitting it."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import image_set_id
    from e2e3d.client.display import size, time_range

    with Client(url) as client:
        found = client.forecast(image_set_id(client, image_set), quality, parse_assignments(changes or []))
    fields = {
        "time": time_range(found.seconds_low, found.seconds_high),
        "memory": size(found.memory_bytes),
        "disk": size(found.disk_bytes),
        "photographs": f"{found.photos} of {found.megapixels:.1f} megapixels",
        "jobs before it": str(found.queued_ahead),
    }
    put_record(found, fields, as_json)
    return 0


@command(app, panel=JOBS)
def submit(
    image_set: SetName,
    quality: Quality = "medium",
    changes: Changes = None,
    outputs: Outputs = None,
    name: Annotated[str | None, typer.Option(help="What you call it; default: the name of the image set.")] = None,
    masks: Masks = None,
    intrinsics: Intrinsics = None,
    scale: Scale = None,
    known_distance: KnownDistance = None,
    priority: Priority = None,
    webhook: Annotated[str | None, typer.Option(help="URL that is told of every change of state.")] = None,
    follow: Follow = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Queue a reconstruction and print the id of the job; masks are sent into the image set first."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import image_set_id

    options = _options(intrinsics, scale, known_distance)
    settings = parse_assignments(changes or [])
    with Client(url) as client:
        images = client.image_set(image_set_id(client, image_set))
        if masks is not None:
            send(client, images.id, [], masks)
        called = images.name if name is None else name
        job = client.submit(
            images.id, quality, settings, called, outputs or (), options, priority or 0, webhook_url=webhook
        )
        return _submitted(client, job, follow, as_json)


@command(app, panel=JOBS)
def retry(job: JobName, follow: Follow = False, as_json: Json = False, url: Url = None) -> int:
    """Try a job that failed or was cancelled again: a new job, which goes on from what was finished."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id

    with Client(url) as client:
        return _submitted(client, client.retry(job_id(client, job)), follow, as_json)


@command(app, panel=JOBS)
def rerun(
    job: JobName,
    quality: Annotated[str | None, typer.Option(help="Another quality.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="STAGE.FIELD=VALUE", help="Change a setting; null takes it back to its preset; repeatable."
        ),
    ] = None,
    outputs: Outputs = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    intrinsics: Intrinsics = None,
    scale: Scale = None,
    known_distance: KnownDistance = None,
    priority: Priority = None,
    forecast_only: Annotated[
        bool, typer.Option("--forecast", help="Say what it would take and what is reused, and submit nothing.")
    ] = False,
    follow: Follow = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Run a job again on its photographs with what is different; what that does not concern is reused."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id

    different: dict[str, Any] = {
        "quality": quality,
        "settings": parse_assignments(changes) if changes else None,
        "outputs": outputs or None,
        "name": name,
        "options": _options(intrinsics, scale, known_distance) or None,
        "priority": priority,
    }
    given = {field: value for field, value in different.items() if value is not None}
    with Client(url) as client:
        if forecast_only:
            return _put_rerun_forecast(client.rerun_forecast(job_id(client, job), **given), as_json)
        return _submitted(client, client.rerun(job_id(client, job), **given), follow, as_json)


def _put_rerun_forecast(forecast: Forecast, as_json: bool) -> int:
    _say_forecast(forecast)
    put(forecast.model_dump_json() if as_json else f"reused: {', '.join(forecast.reused) or 'nothing'}")
    return 0


def _options(intrinsics: Path | None, scale: float | None, known_distance: str | None) -> dict[str, Any]:
    """What is known of the photographs, as the service takes it."""
    from e2e3d.client.commands.parsing import parse_distance, read_text

    options: dict[str, Any] = {}
    if intrinsics is not None:
        options["intrinsics"] = read_text(intrinsics)
    if scale is not None:
        options["scale"] = scale
    if known_distance is not None:
        first, second, distance_m = parse_distance(known_distance)
        options["known_distance"] = {"photo_a": first, "photo_b": second, "metres": distance_m}
    return options


def _submitted(client: Client, job: Job, follow: bool, as_json: bool) -> int:
    if job.forecast is not None:
        _say_forecast(job.forecast)
    put(job.model_dump_json() if as_json else job.id)
    return followed(client, job.id, as_json) if follow else 0


def _say_forecast(forecast: Forecast) -> None:
    from e2e3d.client.display import time_range

    ahead = f", after {forecast.queued_ahead} other jobs" if forecast.queued_ahead else ""
    say(f"It will take about {time_range(forecast.seconds_low, forecast.seconds_high)}{ahead}.")
