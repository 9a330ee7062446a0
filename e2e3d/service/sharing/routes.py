"""Models that others turn in their browser: shared and withdrawn by owners, seen by whoever has the address."""

from __future__ import annotations

import datetime
import json
import re
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Header, Path, Request, status
from starlette.responses import Response

from e2e3d.service.administration import audit
from e2e3d.service.annotations import queries as notes
from e2e3d.service.annotations.routes import MOST as MOST_ANNOTATIONS
from e2e3d.service.annotations.wire import SharedAnnotation
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.results import queries as results
from e2e3d.service.results.records import ResultRecord
from e2e3d.service.results.routes import FILE_RESPONSES, ResultPath, own_job, result_file
from e2e3d.service.results.wire import Result
from e2e3d.service.services import Services
from e2e3d.service.sharing import queries as shares
from e2e3d.service.sharing.ar_model import stood_in_room, up_of
from e2e3d.service.sharing.previews import REPORT, picture_of
from e2e3d.service.sharing.records import ShareRecord
from e2e3d.service.sharing.share_tokens import share_of, token_of
from e2e3d.service.sharing.wire import Share, SharedModel, ShareIn, Viewpoint
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer

router = APIRouter(prefix="/v1", tags=["sharing"], responses=problem_responses(403, 404, 422, 503))
Token = Annotated[str, Path(max_length=200)]
Password = Annotated[
    str | None, Header(alias="X-E2E3D-Share-Password", max_length=1024, description="Percent-encoded UTF-8.")
]
SHOWN = ("model.glb", "mesh.ply", "dense.ply", "dense.copc.laz", "tiles/tileset.json")
"""Files that visitors are shown; the report and the cameras name photographs, and can tell where they were taken."""
_TILE = re.compile(r"tiles/tree/r[0-3]*\.glb")
"""What the tileset names, and visitors get, too."""
_MOST = 100
_VIEWPOINTS = 64
_CAMERAS = "cameras.json"
_CAMERAS_BYTES = 64 << 20
_MODEL = "model.glb"
_AR_BYTES = 64 << 20
"""The largest model that is turned for phones, which take no larger ones."""


@router.post(
    "/jobs/{job_id}/shares",
    status_code=status.HTTP_201_CREATED,
    summary="Share a model",
    responses=problem_responses(401, 409),
)
def share_job(job_id: ResourceId, body: ShareIn, caller: Writer, services: ServicesOf) -> Share:
    """Make an address by which anybody may turn the model of a job in a browser, until it expires or is withdrawn."""
    at = now()
    expires_at = None if body.expires_in_days is None else at + datetime.timedelta(days=body.expires_in_days)
    with services.database.reading() as session:
        own_job(session, caller, job_id)
    password_hash = None if body.password is None else services.passwords.hash(body.password)
    with services.database.session() as session:
        own_job(session, caller, job_id)
        if shares.count(session, job_id) >= _MOST:
            raise ProblemError(409, "too-many-shares", f"The job has {_MOST} addresses.", "Withdraw some of them.")
        made = shares.add(session, job_id, password_hash, at, expires_at)
        audit.record(session, caller.actor, "share.create", "job", job_id, share=made.id)
    return _share(services, made)


@router.get("/jobs/{job_id}/shares", summary="List the addresses of a model", responses=problem_responses(401))
def list_shares(
    job_id: ResourceId, caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[Share]:
    """The addresses by which the model of a job is shared, the newest first; expired ones too."""
    with services.database.reading() as session:
        own_job(session, caller, job_id)
        found = shares.listed(session, job_id, limit + 1, position_of(cursor))
    items, after = page_of(found, limit, lambda each: (each.created_at, each.id))
    return Page(items=tuple(_share(services, each) for each in items), next_cursor=after)


@router.delete(
    "/shares/{share_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Withdraw an address",
    responses=problem_responses(401),
)
def withdraw_share(share_id: ResourceId, caller: Writer, services: ServicesOf) -> None:
    """Withdraw an address; it shows nothing from the next request on."""
    with services.database.session() as session:
        job_id = shares.withdraw(session, caller.id, share_id)
        if job_id is None:
            raise missing("share")
        audit.record(session, caller.actor, "share.withdraw", "job", job_id, share=share_id)


@router.get("/shared/{token}", summary="Look at a shared model", responses=problem_responses(401, 429))
def get_shared(token: Token, request: Request, services: ServicesOf, password: Password = None) -> SharedModel:
    """What a visitor sees of a shared model; its address is the permission, with the password where there is one."""
    share = _admitted(services, token, password, request)
    with services.database.reading() as session:
        job = jobs.by_id(session, share.job_id)
        found = results.chosen(session, share.job_id, (*SHOWN, _CAMERAS))
        annotated = notes.listed(session, share.job_id, MOST_ANNOTATIONS)
    if job is None:
        raise missing("share")
    cameras = _cameras(services, found)
    return SharedModel(
        name=job.name,
        frame=cameras.get("frame"),
        viewpoints=_viewpoints(cameras),
        results=tuple(Result.of(each) for each in found if each.path in SHOWN),
        annotations=tuple(SharedAnnotation.from_record(each) for each in annotated),
    )


@router.get(
    "/shared/{token}/results/{path:path}",
    summary="Download a file of a shared model",
    responses=FILE_RESPONSES | problem_responses(401, 429),
    response_class=Response,
)
def download_shared(
    token: Token, path: ResultPath, request: Request, services: ServicesOf, password: Password = None
) -> Response:
    """The bytes of a file of a shared model, all or those of a Range header."""
    share = _admitted(services, token, password, request)
    with services.database.reading() as session:
        shown = path in SHOWN or _TILE.fullmatch(path)
        found = results.chosen(session, share.job_id, [path]) if shown else ()
    if not found:
        raise missing("result")
    return result_file(request, services.files, found[0])


@router.get(
    "/shared/{token}/picture",
    summary="Get a picture of a shared model",
    responses={200: {"content": {"image/jpeg": {}}}, **problem_responses(401, 429)},
    response_class=Response,
)
def get_shared_picture(token: Token, request: Request, services: ServicesOf, password: Password = None) -> Response:
    """The model from the front as a JPEG of 720 x 540 pixels, for other sites to show beside a link."""
    share = _admitted(services, token, password, request)
    with services.database.reading() as session:
        found = results.chosen(session, share.job_id, [REPORT])
    try:
        picture = picture_of(services.files, found[0].key, found[0].bytes) if found else None
    except FileNotFoundError:
        picture = None
    if picture is None:
        raise missing("picture")
    headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(picture, headers=headers if share.password_hash is None else None, media_type="image/jpeg")


@router.get(
    "/shared/{token}/ar/model.glb",
    summary="Get a shared model for a room",
    responses={200: {"content": {"model/gltf-binary": {}}}, **problem_responses(401, 409, 429)},
    response_class=Response,
)
def get_shared_ar_model(token: Token, request: Request, services: ServicesOf, password: Password = None) -> Response:
    """The model as phones stand it into a room: y up, in metres, on the ground; of unknown size it is a metre large."""
    share = _admitted(services, token, password, request)
    with services.database.reading() as session:
        found = {each.path: each for each in results.chosen(session, share.job_id, (_MODEL, _CAMERAS))}
    model = found.get(_MODEL)
    if model is None:
        raise missing("result")
    if model.bytes > _AR_BYTES:
        raise ProblemError(
            409, "too-large-for-ar", f"The model has more than {_AR_BYTES >> 20} MiB.", "Make a smaller one."
        )
    cameras = _cameras(services, tuple(found.values()))
    try:
        content = b"".join(stood_in_room(services.files.load(model.key), up_of(cameras), cameras.get("frame")))
    except FileNotFoundError:
        raise missing("result") from None
    return Response(content, media_type="model/gltf-binary")


def _admitted(services: Services, token: str, password: str | None, request: Request) -> ShareRecord:
    """The share behind a token, for a visitor who may see it.

    Raises:
        ProblemError: 404, whatever is wrong with the address; ``share-password`` (401) without the right password;
            ``too-many-logins`` (429).
    """
    share_id = share_of(services.settings.secret_key or "", token)
    with services.database.reading() as session:
        share = None if share_id is None else shares.current(session, share_id, now())
    if share is None:
        raise missing("share")
    if share.password_hash is None:
        return share
    if password is not None:
        attempt = services.throttle.attempt(f"share {share.id}", request.scope.get("state", {}).get("address"))
        if services.passwords.matches(share.password_hash, unquote(password)):
            services.throttle.succeeded(attempt)
            return share
    raise ProblemError(401, "share-password", "The model is shared with a password.", "Give the right password.")


def _cameras(services: Services, found: tuple[ResultRecord, ...]) -> dict[str, Any]:
    """The cameras of a job, as export wrote them; empty while there are none, or where they are lost."""
    for each in found:
        if each.path == _CAMERAS and each.bytes <= _CAMERAS_BYTES:
            try:
                return dict(json.loads(bytes(services.files.load(each.key))))
            except FileNotFoundError:
                return {}
    return {}


def _viewpoints(cameras: dict[str, Any]) -> tuple[Viewpoint, ...]:
    """Evenly chosen ones, without the names of their photographs."""
    images = cameras.get("images", [])
    step = max(1, -(-len(images) // _VIEWPOINTS))
    return tuple(
        Viewpoint(
            cam_from_world=tuple(tuple(row[:3]) for row in image["cam_from_world"][:3]),
            center_world=tuple(image["center_world"]),
        )
        for image in images[::step]
    )


def _share(services: Services, record: ShareRecord) -> Share:
    token = token_of(services.settings.secret_key or "", record.id)
    return Share.from_record(
        record, url=f"{services.settings.url}/shared/{token}", has_password=record.password_hash is not None
    )
