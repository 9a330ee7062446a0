"""Thumbnails of photographs: small, upright, kept, and nobody else's."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from e2e3d.service.intake.checkers import PhotoCheckers
from e2e3d.storage.names import blob_name, thumbnail_name
from tests.service.uploads.conftest import Desk, new_desk, picture


def address(desk: Desk, data: bytes, name: str = "a.jpg") -> tuple[str, str]:
    """Where the thumbnail of a photograph is that has just been sent, and the SHA-256 of the photograph."""
    photo = desk.send((name, data)).json()["items"][0]["photo"]
    return f"/v1/image-sets/{desk.set_id}/photos/{photo['id']}/thumbnail", photo["sha256"]


def turned(data: bytes) -> bytes:
    """The same pixels with an EXIF orientation that lays them on their side."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def test_a_thumbnail_is_the_photograph_as_it_is_seen(desk: Desk) -> None:
    place, sha256 = address(desk, turned(picture(1)))
    answer = desk.call("GET", place)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert len(answer.content) < 60_000
    with Image.open(io.BytesIO(answer.content)) as small, Image.open(io.BytesIO(picture(1))) as image:
        assert small.size == (240, 320)  # the photograph has 480 x 360 stored pixels
        upright = image.rotate(-90, expand=True).resize(small.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(small, float) - np.asarray(upright, float)).mean() < 6
    assert thumbnail_name(sha256) in desk.stored()
    again = desk.call("GET", place, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_thumbnail_is_made_once(embedded_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = PhotoCheckers.thumbnail
    monkeypatch.setattr(
        PhotoCheckers, "thumbnail", lambda self, user_id, data: made.append(1) or make(self, user_id, data)
    )
    place, _ = address(embedded_desk, picture(2))
    first, second = (embedded_desk.call("GET", place) for _ in range(2))
    assert first.content == second.content
    assert len(made) == 1


def test_there_is_none_of_what_is_no_photograph_is_lost_or_belongs_to_others(embedded_desk: Desk) -> None:
    desk = embedded_desk
    broken, _ = address(desk, picture(3)[:-3000], "broken.jpg")
    assert (desk.call("GET", broken).status_code, desk.call("GET", broken).json()["code"]) == (404, "thumbnail-missing")
    lost, sha256 = address(desk, picture(4), "lost.jpg")
    desk.api.services.files.delete(blob_name(sha256))
    gone = desk.call("GET", lost)
    assert (gone.status_code, gone.json()["code"]) == (410, "photo-gone")
    mine, _ = address(desk, picture(5), "mine.jpg")
    assert desk.call("GET", mine).status_code == 200
    assert new_desk(desk.api).call("GET", mine).status_code == 404


def test_bytes_that_no_longer_decode_are_the_photographs_fault(embedded_desk: Desk) -> None:
    place, sha256 = address(embedded_desk, picture(6))
    embedded_desk.api.services.files.put(blob_name(sha256), b"\xff\xd8\xff no photograph any more")
    answer = embedded_desk.call("GET", place)
    assert (answer.status_code, answer.json()["code"]) == (422, "photo-unreadable")
