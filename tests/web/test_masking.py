"""Masks in a real browser: found before a backdrop, corrected with a brush, and kept where jobs look for them."""

from __future__ import annotations

from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.ops.photos.decoding import decode_mask
from e2e3d.pipeline.sources.mask_files import match_masks
from e2e3d.pipeline.sources.source_set import mask_name
from e2e3d.storage.names import blob_name
from tests.live import live_service
from tests.web.scripts_of_browser import seen_by

WIDTH_PX, HEIGHT_PX, COUNT = 1200, 900, 4


def photograph(turn: int) -> tuple[bytes, NDArray[np.bool_]]:
    """A turned thing before a grey backdrop, and where it is."""
    random = np.random.default_rng(turn)
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), (210, 206, 203), np.uint8)
    truth = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    centre, axes = (WIDTH_PX // 2, HEIGHT_PX // 2), (300, 230)
    cv2.ellipse(truth, centre, axes, 20 * turn, 0, 360, 1, -1)
    texture = cv2.resize(random.integers(20, 180, (45, 60, 3), dtype=np.uint8), (WIDTH_PX, HEIGHT_PX))
    image[truth > 0] = texture[truth > 0]
    noisy = np.clip(image + random.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy)[1].tobytes(), truth > 0


@pytest.mark.slow
def test_masks_are_found_corrected_and_kept_with_the_set(tmp_path: Path) -> None:
    made = {f"{index}.jpg": photograph(index) for index in range(COUNT)}
    with live_service(tmp_path) as live:
        headers = {"Authorization": f"Bearer {live.key}"}
        with httpx.Client(base_url=live.url, headers=headers, timeout=60) as http:
            set_id = http.post("/v1/image-sets", json={"name": "a turntable"}).json()["id"]
            files = [("photos", (name, data)) for name, (data, _) in made.items()]
            http.post(f"/v1/image-sets/{set_id}/photos", files=files).raise_for_status()
            seen_by("masking.mjs", URL=live.url, SET=set_id)
            items = http.get(f"/v1/image-sets/{set_id}/photos").json()["items"]
        masks = {item["name"]: item["sha256"] for item in items if mask_name(item["name"])}
        matched = match_masks(list(made), [mask_name(name) or "" for name in masks])
        assert set(matched) == set(made)
        for name, (_, truth) in made.items():
            data = bytes(live.services.files.load(blob_name(masks[f"masks/{matched[name]}"])))
            used = decode_mask(data, WIDTH_PX, HEIGHT_PX)
            agreement = (used & truth).sum() / (used | truth).sum()
            if name == "0.jpg":
                assert not used[HEIGHT_PX // 2, WIDTH_PX // 2]  # the brush went through it
                assert 0.6 < agreement < 0.92
            else:
                assert agreement > 0.93, name
