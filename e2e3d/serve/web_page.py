"""The web page: built files of this package, served with hashed names, compressed, and under a strict policy.

The files are made from ``web/`` by ``scripts/build_web.py``. Browsers keep what has a hash in its name for a year; the
document that names it is never kept, and carries a nonce for the few styles that components write at run time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from e2e3d.service.http.problems import missing

FOLDER = Path(__file__).parent / "page_files"
NONCE = "NONCE_OF_THE_ANSWER"
"""What stands in the built document where the nonce goes."""
VIEWS = (
    "/",
    "/sign-in",
    "/sets",
    "/sets/{set_id}",
    "/sets/{set_id}/compare",
    "/capture",
    "/jobs",
    "/jobs/{job_id}",
    "/account",
    "/admin",
)
"""Addresses of the page; what they show is chosen by its script."""
SHARED = "/shared/{token}"
"""The view of a shared model, which other sites may show in a frame; nobody is signed in there."""

_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_AT_ROOT = ("service-worker.js", "manifest.webmanifest", "icon-192.png", "icon-512.png")
"""Files without a hash in their names: browsers ask for them anew."""
_FOREVER = "public, max-age=31536000, immutable"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "connect-src 'self' blob:",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors {ancestors}",
    )
)
_WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
"""Of scripts that run as workers, which their own answers state: those that decompress points run WebAssembly."""
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>E2E3D</title>
<h1>E2E3D</h1>
<p>The service runs. Its web page has not been built: run <code>scripts/setup.sh</code>, or
<code>python scripts/build_web.py</code> where <code>e2e3d[web]</code> is installed, and start the service again.</p>
<p>The interface for programs is described at <a href="/v1/openapi.json">/v1/openapi.json</a>.</p>
</html>
"""


@dataclass(frozen=True)
class Asset:
    """A file of the page: its bytes by encoding, "" for as they are."""

    media_type: str
    contents: dict[str, bytes] = field(repr=False)

    def encoded_for(self, accepted: str) -> tuple[str, bytes]:
        """The first of our encodings that an Accept-Encoding header names."""
        names = {
            part.split(";")[0].strip() for part in accepted.split(",") if not part.replace(" ", "").endswith(";q=0")
        }
        for encoding, _ in _ENCODINGS:
            if encoding in names and encoding in self.contents:
                return encoding, self.contents[encoding]
        return "", self.contents[""]


def page_router(head_of_shared: Callable[[str], str] = lambda token: "", folder: Path = FOLDER) -> APIRouter:
    """The routes of the page; where it has not been built, a plain page that says how to.

    `head_of_shared` gives what stands in the head of the view of a shared model, by its token.
    """
    document = folder / "index.html"
    text = document.read_text("utf-8") if document.is_file() else None
    assets = _read_assets(folder / "assets")
    router = APIRouter(include_in_schema=False)

    async def view() -> Response:
        return document_for("'none'", camera="(self)")

    def shared_view(token: str) -> Response:
        return document_for("*", head_of_shared(token))

    def document_for(ancestors: str, head: str = "", camera: str = "()") -> Response:
        if text is None:
            return HTMLResponse(_NOT_BUILT)
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Content-Security-Policy": _POLICY.format(nonce=nonce, ancestors=ancestors),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",  # addresses of shared models let others in
            "Permissions-Policy": f"camera={camera}, microphone=(), geolocation=()",
        }
        return HTMLResponse(text.replace(NONCE, nonce).replace("</head>", f"{head}</head>", 1), headers=headers)

    async def asset(request: Request, name: str) -> Response:
        found = assets.get(name)
        if found is None:
            raise missing("file")
        encoding, content = found.encoded_for(request.headers.get("accept-encoding", ""))
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        if encoding:
            headers["Content-Encoding"] = encoding
        if name.endswith(".js"):
            headers["Content-Security-Policy"] = _WORKER_POLICY
        return Response(content, headers=headers, media_type=found.media_type)

    for path in VIEWS:
        router.add_api_route(path, view, methods=["GET", "HEAD"])
    router.add_api_route(SHARED, shared_view, methods=["GET", "HEAD"])
    _add_files_at_root(router, folder)
    router.add_api_route("/assets/{name}", asset, methods=["GET", "HEAD"])
    return router


def _add_files_at_root(router: APIRouter, folder: Path) -> None:
    there = _read_assets(folder)

    async def file(request: Request) -> Response:
        found = there.get(request.url.path.removeprefix("/"))
        if found is None:
            raise missing("file")
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _WORKER_POLICY}
        return Response(found.contents[""], headers=headers, media_type=found.media_type)

    for name in _AT_ROOT:
        router.add_api_route(f"/{name}", file, methods=["GET", "HEAD"])


def _read_assets(folder: Path) -> dict[str, Asset]:
    if not folder.is_dir():
        return {}
    found = {}
    for path in folder.iterdir():
        media_type = _MEDIA_TYPES.get(path.suffix)
        if media_type is not None:
            packed = {name: path.with_name(path.name + suffix) for name, suffix in _ENCODINGS}
            contents = {name: file.read_bytes() for name, file in packed.items() if file.is_file()}
            found[path.name] = Asset(media_type, {"": path.read_bytes(), **contents})
    return found
