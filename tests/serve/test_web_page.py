"""The page's files as browsers get them: hashed, compressed, kept or not, and under a strict policy."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from e2e3d.serve.web_page import NONCE, SHARED, VIEWS, page_router
from e2e3d.service.http.problems import add_handlers
from tests.service.api import Api, TestClient, open_api

SCRIPT = b"console.log('a page');" * 50


@pytest.fixture
def page(tmp_path: Path) -> TestClient:
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(f'<meta property="csp-nonce" nonce="{NONCE}"><script src="/assets/a-1.js">')
    (assets / "a-1.js").write_bytes(SCRIPT)
    (assets / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "a-1.js.br").write_bytes(b"what brotli made")
    (assets / "notes.txt").write_text("no part of the page")
    (tmp_path / "service-worker.js").write_bytes(SCRIPT)
    (tmp_path / "manifest.webmanifest").write_text("{}")
    return client_of(tmp_path)


def client_of(folder: Path) -> TestClient:
    app = FastAPI()
    add_handlers(app)
    app.include_router(page_router(folder=folder))
    return TestClient(app)


def test_every_view_is_the_document_with_a_nonce_of_its_own(page: TestClient) -> None:
    nonces = set()
    for path in VIEWS:
        answer = page.get(path.format(set_id="x", job_id="y"))
        policy = answer.headers["content-security-policy"]
        (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
        assert f'nonce="{nonce}"' in answer.text
        assert "unsafe" not in policy
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        nonces.add(nonce)
    assert len(nonces) == len(VIEWS)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"), ("identity", None), ("", None)],
)
def test_files_are_sent_as_the_browser_likes_them(page: TestClient, accepted: str, encoding: str | None) -> None:
    with page.stream("GET", "/assets/a-1.js", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == encoding
    assert (gzip.decompress(raw) if encoding == "gzip" else raw) == (
        b"what brotli made" if encoding == "br" else SCRIPT
    )
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_only_scripts_of_their_own_may_run_web_assembly(page: TestClient) -> None:
    policy = page.get("/assets/a-1.js").headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "connect-src 'self'"} == set(policy)


@pytest.mark.parametrize("name", ["missing.js", "notes.txt", "a-1.js.gz", "..%2findex.html", "%2e%2e/index.html"])
def test_nothing_else_is_given_out(page: TestClient, name: str) -> None:
    assert page.get(f"/assets/{name}").status_code == 404


def test_a_service_without_a_built_page_says_how_to_build_it(tmp_path: Path) -> None:
    answer = client_of(tmp_path).get("/")
    assert answer.status_code == 200
    assert "scripts/build_web.py" in answer.text


def test_the_page_is_part_of_the_service_and_not_of_its_interface(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'embedded.sqlite'}", tmp_path) as api:
        check_page_of(api)


def check_page_of(embedded_api: Api) -> None:
    answer = embedded_api.client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "x-frame-options" not in embedded_api.client.get(SHARED.format(token="x.y")).headers
    assert embedded_api.client.get("/v1/shared/x.y").headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert embedded_api.client.get("/assets/missing.js").json()["code"] == "file-missing"
    assert embedded_api.client.get("/no-such-page").status_code == 404
    assert "/" not in embedded_api.client.get("/v1/openapi.json").json()["paths"]


def test_only_the_view_of_a_shared_model_may_stand_in_frames_and_no_view_tells_where_one_came_from(
    page: TestClient,
) -> None:
    shared = page.get(SHARED.format(token="x.y"))
    assert "frame-ancestors *" in shared.headers["content-security-policy"].split("; ")
    assert shared.headers["referrer-policy"] == page.get("/sets").headers["referrer-policy"] == "no-referrer"


def test_the_page_can_be_installed_and_asks_for_its_worker_anew(page: TestClient) -> None:
    worker = page.get("/service-worker.js")
    assert (worker.content, worker.headers["cache-control"]) == (SCRIPT, "no-cache")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert page.get("/manifest.webmanifest").headers["content-type"].startswith("application/manifest+json")
    assert page.get("/icon-192.png").status_code == 404


def test_own_views_may_see_the_camera_and_shared_ones_may_not(page: TestClient) -> None:
    assert "camera=(self)" in page.get("/sets").headers["permissions-policy"]
    assert "camera=()" in page.get(SHARED.format(token="x.y")).headers["permissions-policy"]
