"""Jobs: ask what one will cost, submit it, look at it, stop it, fetch what it made."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from e2e3d.client.downloads import fetch_result
from e2e3d.client.errors import NotFoundError
from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow, Together
from e2e3d.client.local import PathLike
from e2e3d.client.models import Forecast, Job, Links, LogLine, Page, Result
from e2e3d.client.paging import all_items, each_item
from e2e3d.client.progress import TransferProgress, TransferTracker
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, QueryValue, path

_PAGE = 200
_AT_ONCE = 4


def forecast(
    session: Session, image_set_id: str, quality: str = "medium", settings: Mapping[str, Any] | None = None
) -> Flow[Forecast]:
    """What a job would cost, without submitting it."""
    body = {"image_set_id": image_set_id, "quality": quality, "settings": dict(settings or {})}
    reply = yield from exchange(session, Call("POST", path("forecasts"), json=body, repeatable=True))
    return Forecast.model_validate(reply.json())


def submit(
    session: Session,
    image_set_id: str,
    quality: str = "medium",
    settings: Mapping[str, Any] | None = None,
    name: str = "",
    outputs: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    priority: int = 0,
    webhook_url: str | None = None,
    idempotency_key: str | None = None,
) -> Flow[Job]:
    """Queue a reconstruction. It is safe against lost answers: however often it is sent, there is one job.

    Args:
        session: given by the client.
        image_set_id: the photographs.
        quality: ``preview``, ``low``, ``medium``, ``high`` or ``ultra``.
        settings: changes to the preset, such as ``{"depth.max_size_px": 768}``.
        name: what people call it.
        outputs: of ``sparse``, ``cloud``, ``mesh``, ``obj``, ``glb``, ``report``, ``depth``; none = all but depth.
        options: ``intrinsics``, ``scale`` or ``known_distance``.
        priority: among your own jobs, larger comes first.
        webhook_url: is told of every change of state.
        idempotency_key: names the submission; None = a new one.
    """
    body = {
        "image_set_id": image_set_id,
        "quality": quality,
        "settings": dict(settings or {}),
        "name": name,
        "outputs": list(outputs),
        "options": dict(options or {}),
        "priority": priority,
        "webhook_url": webhook_url,
    }
    headers = {"idempotency-key": idempotency_key or str(uuid.uuid4())}
    reply = yield from exchange(session, Call("POST", path("jobs"), headers=headers, json=body, repeatable=True))
    return Job.model_validate(reply.json())


def job(session: Session, job_id: str) -> Flow[Job]:
    """A job as it is now, with what its stages took. Raises NotFoundError."""
    reply = yield from exchange(session, Call("GET", path("jobs", job_id)))
    return Job.model_validate(reply.json())


def list_jobs(
    session: Session,
    state: str | Sequence[str] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    text: str | None = None,
    image_set_id: str | None = None,
    created_after: datetime.datetime | None = None,
    created_before: datetime.datetime | None = None,
) -> Flow[Page[Job]]:
    """Your jobs, newest first.

    Args:
        session: given by the client.
        state: only those in this state, or in one of several.
        limit: how many at most; None = as many as the service likes.
        cursor: `next_cursor` of the page before.
        text: a part of their names.
        image_set_id: only those that were made from this set.
        created_after: only those made then or later; without a time zone it is UTC.
        created_before: only those made earlier.
    """
    query: dict[str, QueryValue] = {
        "state": state,
        "limit": limit,
        "cursor": cursor,
        "text": text,
        "image_set_id": image_set_id,
        "created_after": None if created_after is None else created_after.isoformat(),
        "created_before": None if created_before is None else created_before.isoformat(),
    }
    call = Call("GET", path("jobs"), query)
    return Page[Job].model_validate((yield from exchange(session, call)).json())


def all_jobs(session: Session, state: str | Sequence[str] | None = None) -> Flow[None]:
    """Iterates over all of your jobs, newest first."""
    return each_item(partial(list_jobs, session, state, _PAGE))


def cancel(session: Session, job_id: str) -> Flow[Job]:
    """Ask for the end of a job; its state is ``cancelled`` when all its work has stopped."""
    reply = yield from exchange(session, Call("POST", path("jobs", job_id, "cancel"), repeatable=True))
    return Job.model_validate(reply.json())


def retry(session: Session, job_id: str, idempotency_key: str | None = None) -> Flow[Job]:
    """Try a job that failed or was cancelled again: a new job, which goes on from what was finished."""
    return _again(session, job_id, "retry", None, idempotency_key)


def rerun(session: Session, /, job_id: str, idempotency_key: str | None = None, **changes: Any) -> Flow[Job]:
    """Run a job again with other `quality`, `settings`, `options`, `outputs`, `priority` or `name`; reuses the rest.

    Settings and options that are not named stay as they were; None takes a setting back to its preset.
    """
    return _again(session, job_id, "rerun", changes, idempotency_key)


def rerun_forecast(session: Session, /, job_id: str, **changes: Any) -> Flow[Forecast]:
    """What :func:`rerun` with these changes would cost; `reused` of the answer names what is not computed again."""
    call = Call("POST", path("jobs", job_id, "rerun-forecast"), json=changes, repeatable=True)
    return Forecast.model_validate((yield from exchange(session, call)).json())


def delete(session: Session, job_id: str) -> Flow[None]:
    """Delete a job that has ended, with its results."""
    yield from exchange(session, Call("DELETE", path("jobs", job_id)))


def log(session: Session, job_id: str) -> Flow[None]:
    """Iterates over the lines of a job's log."""
    return each_item(partial(_log_at, session, job_id))


def results(session: Session, job_id: str) -> Flow[tuple[Result, ...]]:
    """The files that a job has made so far."""
    return tuple((yield from all_items(partial(_results_at, session, job_id))))


def download(
    session: Session,
    job_id: str,
    folder: PathLike,
    paths: Sequence[str] | None = None,
    progress: Callable[[TransferProgress], None] | None = None,
    at_once: int = _AT_ONCE,
) -> Flow[tuple[Path, ...]]:
    """Download results; the same call goes on where one was interrupted, and leaves alone what is there already.

    Args:
        session: given by the client.
        job_id: of which job.
        folder: where to; made if need be.
        paths: only these, such as ``model.glb``; None = all.
        progress: called as bytes come, by one thread at a time.
        at_once: files that are fetched side by side.

    Raises:
        NotFoundError: the job, or one of `paths`, does not exist.
        DamagedDownloadError: a file arrived damaged, twice.
        MachineError: ``cannot-write``.
    """
    found = yield from results(session, job_id)
    wanted = found if paths is None else tuple(_named(found, name) for name in paths)
    tracker = TransferTracker({result.path: result.bytes for result in wanted}, progress)
    fetches = [fetch_result(session, one, _content(job_id, one), Path(folder), tracker) for one in wanted]
    return tuple((yield Together(fetches, at_once)))


def result_links(session: Session, job_id: str, paths: Sequence[str], expires_in_s: int = 3600) -> Flow[Links]:
    """Addresses that download results without a token, for `expires_in_s` seconds (at most a week)."""
    body = {"paths": list(paths), "expires_in_s": expires_in_s}
    call = Call("POST", path("jobs", job_id, "result-links"), json=body, repeatable=True)
    return Links.model_validate((yield from exchange(session, call)).json())


def _again(session: Session, job_id: str, how: str, body: Any, key: str | None) -> Flow[Job]:
    headers = {"idempotency-key": key or str(uuid.uuid4())}
    call = Call("POST", path("jobs", job_id, how), headers=headers, json=body, repeatable=True)
    return Job.model_validate((yield from exchange(session, call)).json())


def _named(found: Sequence[Result], name: str) -> Result:
    for result in found:
        if result.path == name:
            return result
    there = ", ".join(result.path for result in found) or "none"
    raise NotFoundError("result-missing", f"The job has no result {name}.", f"There are: {there}.", 404)


def _content(job_id: str, result: Result) -> Call:
    return Call("GET", path("jobs", job_id, "results", *result.path.split("/")))


def _results_at(session: Session, job_id: str, cursor: str | None) -> Flow[Page[Result]]:
    call = Call("GET", path("jobs", job_id, "results"), {"limit": _PAGE, "cursor": cursor})
    return Page[Result].model_validate((yield from exchange(session, call)).json())


def _log_at(session: Session, job_id: str, cursor: str | None) -> Flow[Page[LogLine]]:
    call = Call("GET", path("jobs", job_id, "log"), {"limit": _PAGE, "after": cursor})
    return Page[LogLine].model_validate((yield from exchange(session, call)).json())
