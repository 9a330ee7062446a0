"""What jobs have made: listed, downloaded whole or in parts, as one archive, and by signed addresses."""

from __future__ import annotations

import base64
import binascii
import datetime
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse
from zipstream import ZipStream

from e2e3d.service.database import Session
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, bad_cursor
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.ranges import is_unchanged, requested_span
from e2e3d.service.http.wire import Page
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import ACTIVE
from e2e3d.service.results import queries as results
from e2e3d.service.results.records import ResultRecord
from e2e3d.service.results.signed_links import open_link, sign_link
from e2e3d.service.results.wire import Link, Links, LinksIn, Result
from e2e3d.service.services import Services
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf
from e2e3d.storage.objects import ContentDisposition, ObjectStore

router = APIRouter(prefix="/v1", tags=["results"], responses=problem_responses(403, 404, 422, 503))
ResultPath = Annotated[
    str, Path(max_length=512, pattern=r"^[^\x00]+$", description="Path of the result.", examples=["model.glb"])
]
Token = Annotated[str, Path(max_length=200)]
FileName = Annotated[str, Path(max_length=512, description="What the file is called; any name will do.")]
_MAX_ARCHIVED = 100_000
_BYTES: dict[str, Any] = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", **_BYTES},
    206: {"description": "The bytes of the Range header", **_BYTES},
    304: {"description": "You have it already (If-None-Match)"},
    **problem_responses(401, 410, 416),
}
_HEAD: dict[int | str, dict[str, Any]] = {
    200: {"description": "The headers of the file"},
    304: {"description": "You have it already (If-None-Match)"},
    **problem_responses(401),
}
_ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The archive",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    },
    **problem_responses(401, 409, 410),
}


@router.get("/jobs/{job_id}/results", summary="List results", responses=problem_responses(401))
def list_results(
    job_id: ResourceId, caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[Result]:
    """The files that a job has made so far, by path. Failed and cancelled jobs have partial results."""
    with services.database.reading() as session:
        own_job(session, caller, job_id)
        found = results.listed(session, job_id, limit + 1, _path_of(cursor))
    after = _cursor(found[limit - 1].path) if len(found) > limit else None
    return Page(items=tuple(Result.of(each) for each in found[:limit]), next_cursor=after)


@router.post("/jobs/{job_id}/result-links", summary="Get signed addresses", responses=problem_responses(401, 410))
def link_results(job_id: ResourceId, body: LinksIn, caller: Reader, services: ServicesOf) -> Links:
    """Addresses that download results without a token until they expire: for browsers, viewers and colleagues."""
    with services.database.reading() as session:
        own_job(session, caller, job_id)
        found = {each.path: each for each in results.chosen(session, job_id, body.paths)}
    lacking = [path for path in body.paths if path not in found]
    if lacking:
        raise ProblemError(404, "result-missing", f"The job has no result {lacking[0]}.", "List its results.")
    _require_stored(services.files, tuple(found.values()))
    expires_at = now() + datetime.timedelta(seconds=body.expires_in_s)
    items = tuple(Link(path=path, url=_link(services, found[path], body.expires_in_s)) for path in body.paths)
    return Links(items=items, expires_at=expires_at)


@router.get(
    "/jobs/{job_id}/results/{path:path}", summary="Download a result", responses=FILE_RESPONSES, response_class=Response
)
def download_result(
    request: Request, job_id: ResourceId, path: ResultPath, caller: Reader, services: ServicesOf
) -> Response:
    """The bytes of a result, all or those of a Range header. The ETag is its SHA-256, so downloads can be resumed."""
    return result_file(request, services.files, _own_result(services, caller, job_id, path))


@router.head("/jobs/{job_id}/results/{path:path}", summary="Look at a result", responses=_HEAD, response_class=Response)
def look_at_result(
    request: Request, job_id: ResourceId, path: ResultPath, caller: Reader, services: ServicesOf
) -> Response:
    """Length, type and SHA-256 of a result."""
    return result_file(request, services.files, _own_result(services, caller, job_id, path))


@router.get("/jobs/{job_id}/archive", summary="Download all results", responses=_ARCHIVE, response_class=Response)
def download_archive(job_id: ResourceId, caller: Reader, services: ServicesOf) -> Response:
    """All results of a job as a zip archive, made while it is sent."""
    with services.database.reading() as session:
        job = own_job(session, caller, job_id)
        found = results.listed(session, job_id, _MAX_ARCHIVED)
    if not found:
        hint = "Wait until the job has made some." if job.state in ACTIVE else "Run the job again."
        raise ProblemError(409, "no-results", f"The job is {job.state} and has no results.", hint)
    _require_stored(services.files, found)
    stream = ZipStream(sized=True)
    for each in found:
        stream.add(_content(services.files, each), each.path, size=each.bytes)
    name = f"{getattr(job, 'name', '') or job_id}.zip"
    headers = {
        "Content-Disposition": ContentDisposition(name.replace("/", "_"), "application/zip").header,
        "Content-Length": str(len(stream)),
    }
    return StreamingResponse(iter(stream), media_type="application/zip", headers=headers)


@router.get(
    "/downloads/{token}/{name}", summary="Download by signed address", responses=FILE_RESPONSES, response_class=Response
)
def download_signed(request: Request, token: Token, name: FileName, services: ServicesOf) -> Response:
    """What an address from `result-links` gives; it says itself who may use it, so no token is needed."""
    return result_file(request, services.files, _signed_result(services, token))


@router.head("/downloads/{token}/{name}", summary="Look at a signed address", responses=_HEAD, response_class=Response)
def look_at_signed(request: Request, token: Token, name: FileName, services: ServicesOf) -> Response:
    """Length, type and SHA-256 of what a signed address gives."""
    return result_file(request, services.files, _signed_result(services, token))


def _own_result(services: Services, caller: Caller, job_id: str, path: str) -> ResultRecord:
    with services.database.reading() as session:
        own_job(session, caller, job_id)
        found = results.chosen(session, job_id, [path])
    if not found:
        raise missing("result")
    return found[0]


def _signed_result(services: Services, token: str) -> ResultRecord:
    result_id = open_link(services.settings.secret_key or "", token, time.time())
    with services.database.reading() as session:
        found = results.by_id(session, result_id)
    if found is None:
        raise missing("result")
    return found


def own_job(session: Session, caller: Caller, job_id: str) -> Any:
    """A job of the caller. Raises ProblemError 404 for others'."""
    job = jobs.find(session, caller.id, job_id)
    if job is None:
        raise missing("job")
    return job


def _link(services: Services, result: ResultRecord, expires_in_s: int) -> str:
    name = result.path.rsplit("/", 1)[-1]
    if services.files.presigner is not None:
        return services.files.presigner.get(result.key, expires_in_s, ContentDisposition(name, result.media_type))
    token = sign_link(services.settings.secret_key or "", result.id, int(time.time()) + expires_in_s)
    return f"{services.settings.url}/v1/downloads/{token}/{quote(name, safe='')}"


def result_file(request: Request, files: ObjectStore, result: ResultRecord) -> Response:
    """The answer to a request for a file: all of it, or the bytes of its Range header.

    Raises:
        ProblemError: ``range`` (416); ``result-gone`` (410) where the store has lost it.
    """
    etag = f'"{result.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": ContentDisposition(result.path.rsplit("/", 1)[-1], result.media_type).header,
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    if is_unchanged(request.headers, etag):
        return Response(status_code=304, headers=headers)
    span = requested_span(request.headers, result.bytes, etag) if request.method == "GET" else None
    if span is not None and span.start >= span.end:
        raise ProblemError(
            416, "range", f"The file has {result.bytes} bytes.", "Ask for bytes that it has.",
            {"Content-Range": f"bytes */{result.bytes}"},
        )  # fmt: skip
    start, end = (0, result.bytes) if span is None else (span.start, span.end)
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=result.media_type)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{result.bytes}"
    try:
        body = files.read(result.key, start, end)
    except FileNotFoundError as error:
        raise _gone(result.path) from error
    status = 200 if span is None else 206
    return StreamingResponse(body, status, headers, result.media_type)


def _require_stored(files: ObjectStore, found: Sequence[ResultRecord]) -> None:
    there = files.sizes([each.key for each in found])
    for each in found:
        if each.key not in there:
            raise _gone(each.path)


def _gone(path: str) -> ProblemError:
    return ProblemError(410, "result-gone", f"The service has lost {path}.", "Rerun the job to have it made again.")


def _content(files: ObjectStore, result: ResultRecord) -> Iterator[bytes]:
    yield from files.read(result.key)


def _cursor(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")


def _path_of(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        path = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error) as error:
        raise bad_cursor() from error
    if "\0" in path:
        raise bad_cursor()
    return path
