"""Photographs as strangers have them, for the runs that the judgement is tried on: edited, mislabelled, mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from judgement_cases import (
    Case,
    Change,
    Pixels,
    Shot,
    blurred,
    exif_focal,
    grey,
    load_shots,
    mirrored,
    on_pixels,
    recompressed,
    scaled,
    together,
    without_exif,
)
from PIL import Image

ORIENTATION = 0x0112
UPSIDE_DOWN, TURNED_RIGHT = 3, 6  # the picture has to be turned by 180 degrees, by 90 clockwise


def on_some(change: Change, which: slice) -> Change:
    """Only some of the photographs are changed."""

    def changed(shots: list[Shot]) -> list[Shot]:
        every = list(shots)
        every[which] = change(every[which])
        return every

    return changed


def squeezed(factor: float, cut: bool = False) -> Change:
    """Narrower by a factor, as resized without keeping the proportions; `cut`: then cut to the size that they had."""

    def change(pixels: Pixels, _: int) -> Pixels:
        h, w = pixels.shape[:2]
        if not cut:
            return cv2.resize(pixels, (round(w * factor), h), interpolation=cv2.INTER_AREA)
        rows = round(h * (1 - factor) / 2)
        return cv2.resize(pixels[rows : h - rows], (w, h), interpolation=cv2.INTER_AREA)

    return on_pixels(change)


def flagged(orientation: int) -> Change:
    """EXIF says that the picture has to be turned, though its pixels are upright."""

    def change(shots: list[Shot]) -> list[Shot]:
        for shot in shots:
            shot.exif[ORIENTATION] = orientation
        return shots

    return change


def turned(quarters: int) -> Change:
    """Pixels turned by quarters anticlockwise, as by a program that ignores the flag."""
    return on_pixels(lambda p, _: np.rot90(p, quarters))


def fisheye(fov_deg: float) -> Change:
    """As by a lens of this field of view whose radius grows with the angle, cut to what shows something."""

    def change(pixels: Pixels, _: int) -> Pixels:
        h, w = pixels.shape[:2]
        half = np.radians(fov_deg) / 2
        x, y = np.meshgrid((np.arange(w) - w / 2) / (w / 2), (np.arange(h) - h / 2) / (w / 2))
        radius = np.hypot(x, y)
        bend = np.tan(np.minimum(radius * half, 1.5)) / np.maximum(radius, 1e-9) / np.tan(half * np.hypot(1, h / w))
        scale = bend * np.hypot(1, h / w)
        maps = (x * scale * w / 2 + w / 2).astype(np.float32), (y * scale * w / 2 + h / 2).astype(np.float32)
        return cv2.remap(pixels, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)

    return on_pixels(change)


def cylindrical(focal: float) -> Change:
    """Projected onto a cylinder, as by a panorama program; focal length over the width."""

    def change(pixels: Pixels, _: int) -> Pixels:
        h, w = pixels.shape[:2]
        f = focal * w
        u, v = np.meshgrid(np.arange(w) - w / 2, np.arange(h) - h / 2)
        x = f * np.tan(u / f)
        y = v * np.hypot(x, f) / f
        maps = (x + w / 2).astype(np.float32), (y + h / 2).astype(np.float32)
        return cv2.remap(pixels, *maps, cv2.INTER_LINEAR)

    return on_pixels(change)


def straightened(focal: float, pitch_deg: Sequence[float]) -> Change:
    """Vertical lines made parallel by an editor: each picture turned about its centre of projection."""

    def change(pixels: Pixels, i: int) -> Pixels:
        h, w = pixels.shape[:2]
        K = np.array([[focal * w, 0, w / 2], [0, focal * w, h / 2], [0, 0, 1]])
        a = np.radians(pitch_deg[i % len(pitch_deg)])
        R = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        H = K @ R @ np.linalg.inv(K)
        middle = H @ np.array([w / 2, h / 2, 1])
        back = np.array([[1, 0, w / 2 - middle[0] / middle[2]], [0, 1, h / 2 - middle[1] / middle[2]], [0, 0, 1]])
        return cv2.warpPerspective(pixels, back @ H, (w, h), flags=cv2.INTER_LINEAR)

    return on_pixels(change)


def sheared(amount: float) -> Change:
    """Rows shifted one against the next, as a rolling shutter does while the camera swings: another way each time."""

    def change(pixels: Pixels, i: int) -> Pixels:
        h, w = pixels.shape[:2]
        a = amount * (1, -1, 0.5, -0.5, 0)[i % 5]
        return cv2.warpAffine(pixels, np.array([[1, a, -a * h / 2], [0, 1, 0]]), (w, h), borderMode=cv2.BORDER_REFLECT)

    return on_pixels(change)


def dated(pixels: Pixels, i: int) -> Pixels:
    """With the date in the corner, as cameras print it."""
    h, w = pixels.shape[:2]
    text, size = f"2019.06.0{1 + i // 6} 12:{10 + 3 * i}", w / 700
    cv2.putText(pixels, text, (round(0.55 * w), round(0.95 * h)), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 140, 0), 3)
    return pixels


def watermarked(pixels: Pixels, _: int) -> Pixels:
    """With a half-transparent mark repeated over the picture, as sellers of photographs have it."""
    h, w = pixels.shape[:2]
    layer = np.zeros((h, w), np.uint8)
    for row in range(4):
        for column in range(3):
            at = (round(w * (0.05 + 0.33 * column)), round(h * (0.15 + 0.25 * row)))
            cv2.putText(layer, "PREVIEW (c)", at, cv2.FONT_HERSHEY_DUPLEX, w / 900, 255, 2)
    return np.where(layer[..., None] > 0, pixels // 2 + 110, pixels).astype(np.uint8)


def framed(share: float) -> Change:
    """In a white frame with a shadow line, wider below."""

    def change(pixels: Pixels, _: int) -> Pixels:
        side = round(share * pixels.shape[1])
        inner = cv2.copyMakeBorder(pixels, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(60, 60, 60))
        return cv2.copyMakeBorder(inner, side, 3 * side, side, side, cv2.BORDER_CONSTANT, value=(250, 248, 240))

    return on_pixels(change)


def moved_while_exposed(length_px: int) -> Change:
    """Blurred along a line, in another direction each time."""

    def change(pixels: Pixels, i: int) -> Pixels:
        kernel = np.zeros((length_px, length_px), np.float32)
        a = i * 1.1
        end = np.array([np.cos(a), np.sin(a)]) * (length_px - 1) / 2
        middle = (length_px - 1) / 2
        first, last = np.round(middle - end).astype(int), np.round(middle + end).astype(int)
        cv2.line(kernel, first.tolist(), last.tolist(), 1.0)
        return cv2.filter2D(pixels, -1, kernel / kernel.sum())

    return on_pixels(change)


def overexposed(factor: float) -> Change:
    """Brighter than the file can hold: the sky and all that is light are white."""
    return on_pixels(lambda p, _: np.clip(p.astype(np.float32) * factor, 0, 255).astype(np.uint8))


def tone_mapped(pixels: Pixels, i: int) -> Pixels:
    """Local contrast raised by an amount of its own, and another gamma, as telephones and editors do."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    clip, gamma = (1.5, 3.0, 6.0)[i % 3], (0.7, 1.0, 1.4)[i // 2 % 3]
    light = cv2.createCLAHE(clip, (8, 8)).apply(lab[..., 0])
    lab[..., 0] = (255 * (light / 255.0) ** gamma).astype(np.uint8)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def panorama(yaw_deg: Sequence[float], focal: float, zoom: float) -> Change:
    """The camera turns in one place: views into one photograph, whose focal length over its width is `focal`."""

    def change(shots: list[Shot]) -> list[Shot]:
        picture = np.asarray(Image.open(shots[0].source).convert("RGB"))
        h, w = picture.shape[:2]
        K = np.array([[focal * w, 0, w / 2], [0, focal * w, h / 2], [0, 0, 1]])
        width, height = 900, 600
        own = np.array([[focal * width * zoom, 0, width / 2], [0, focal * width * zoom, height / 2], [0, 0, 1]])
        views = []
        for i, yaw in enumerate(yaw_deg):
            a, b = np.radians(yaw), np.radians((i % 3 - 1) * 1.5)
            turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
            tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
            view = cv2.warpPerspective(picture, own @ tilt @ turn @ np.linalg.inv(K), (width, height))
            views.append(replace(shots[0], name=f"pan_{i:02d}.jpg", image=view))
        return views

    return change


def copies(count: int) -> Change:
    """The first photograph several times more, saved again at other qualities under other names."""
    return lambda shots: (
        shots + [replace(shots[0], name=f"copy_{i}_{shots[0].name}", quality=70 + 5 * i) for i in range(count)]
    )


def cases(data: Path) -> list[Case]:
    """All runs; the clean sets have run before."""
    fountain, twin, sceaux, saharov = "strecha_fountain_p11", "fountain_twin", "sceaux", "saharov32"
    half, third = slice(None, None, 2), slice(None, None, 3)

    def other(name: str, base: str, change: Change, **more: object) -> Case:
        return Case(name, base, change, moved=True, **more)  # type: ignore[arg-type]

    return [
        other("fountain half squeezed", fountain, on_some(squeezed(0.67), half)),
        other("sceaux half squeezed", sceaux, together(without_exif, on_some(squeezed(0.75), half))),
        other("fountain half squeezed, one size", fountain, on_some(squeezed(0.75, cut=True), half)),
        other("twin half squeezed, one size", twin, on_some(squeezed(0.8, cut=True), half)),
        other("fountain half upside down", fountain, on_some(flagged(UPSIDE_DOWN), half), turns=True),
        other("fountain half flagged", fountain, on_some(flagged(TURNED_RIGHT), half), turns=True),
        other("saharov half flagged", saharov, on_some(flagged(TURNED_RIGHT), half), count=11, turns=True),
        other("twin half turned", twin, on_some(turned(1), half), turns=True),
        other("saharov half turned", saharov, together(without_exif, on_some(turned(1), half)), count=11, turns=True),
        Case("sceaux half 640 px", sceaux, on_some(together(without_exif, scaled(640)), half)),
        Case("saharov half 500 px", saharov, on_some(together(without_exif, scaled(500)), half), count=11),
        Case("sceaux EXIF 2", sceaux, exif_focal(2.0)),
        Case("sceaux EXIF 0.5", sceaux, exif_focal(0.5)),
        Case("sceaux half EXIF 2", sceaux, on_some(exif_focal(2.0), half)),
        Case("saharov half EXIF 0.5", saharov, on_some(exif_focal(0.5), half), count=11),
        Case("banana half EXIF 2", "banana", on_some(exif_focal(2.0), half), count=10),
        Case("brighton EXIF 0.5", "brighton", exif_focal(0.5)),
        Case("axe EXIF 2", "axe", exif_focal(2.0), masks=True),
        other("fountain fisheye 100", fountain, fisheye(100)),
        other("fountain fisheye 140", fountain, fisheye(140)),
        other("twin fisheye 120", twin, fisheye(120)),
        other("sceaux fisheye 120", sceaux, fisheye(120)),
        other("fountain cylindrical", fountain, cylindrical(0.9)),
        other("sceaux cylindrical", sceaux, together(without_exif, cylindrical(0.6))),
        other("fountain straightened", fountain, straightened(0.9, (0, 12, -8, 18)), turns=True),
        other("sceaux straightened", sceaux, together(without_exif, straightened(1.03, (10, -10, 15))), turns=True),
        other("fountain rolling shutter", fountain, sheared(0.06)),
        other("twin rolling shutter", twin, sheared(0.03)),
        Case("fountain dated", fountain, on_pixels(dated)),
        Case("sceaux watermarked", sceaux, on_pixels(watermarked)),
        Case("saharov watermarked", saharov, on_pixels(watermarked), count=11),
        other("fountain framed", fountain, framed(0.04), turns=True),
        Case("fountain third motion blur", fountain, on_some(moved_while_exposed(15), third)),
        Case("sceaux third motion blur", sceaux, on_some(moved_while_exposed(25), third)),
        Case("fountain overexposed", fountain, overexposed(2.2)),
        Case("saharov overexposed", saharov, overexposed(2.0), count=11),
        Case("fountain JPEG 8", fountain, recompressed(8)),
        Case("saharov JPEG 12", saharov, recompressed(12), count=11),
        Case("banana JPEG 15", "banana", recompressed(15), count=10),
        Case("sceaux and saharov", sceaux, lambda shots: shots + _of(load_shots(data, saharov, 1, 11))),
        Case("twin and sceaux 4", twin, lambda shots: shots + _of(load_shots(data, sceaux, 1, 4))),
        Case("fountain copies", fountain, copies(5)),
        Case("sceaux half grey", sceaux, on_some(on_pixels(grey), half)),
        other("fountain panorama", fountain, panorama((-13, -9, -4, 0, 4, 9, 13), 2762 / 3072, 2.0)),
        other("fountain wide panorama", fountain, panorama((-14, -7, 0, 7, 14), 2762 / 3072, 2.6)),
        other("sceaux panorama", sceaux, panorama((-10, -6, -2, 2, 6, 10), 2906 / 2832, 2.0)),
        Case("fountain thumbnails", fountain, on_some(scaled(300), third)),
        Case("sceaux thumbnails", sceaux, on_some(together(without_exif, scaled(300)), half)),
        Case("fountain tone mapped", fountain, on_pixels(tone_mapped)),
        Case("saharov tone mapped", saharov, on_pixels(tone_mapped), count=11),
        other("fountain half mirrored", fountain, mirrored(2)),
        other("twin half mirrored", twin, mirrored(2)),
        Case("fountain half out of focus", fountain, on_some(blurred(6), half)),
    ]


def _of(shots: list[Shot]) -> list[Shot]:
    return [replace(shot, name=f"other_{shot.name}") for shot in shots]
