"""The runs that the judgement is tried on: sound photographs in many forms, and ways in which they go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from disturb import DisturbConfig
from numpy.typing import NDArray
from PIL import Image, ImageOps

SIZE_PX = 1000
Pixels = NDArray[np.uint8]
NONE = DisturbConfig()


@dataclass(frozen=True)
class Shot:
    """One photograph of a run: where it comes from, its upright pixels, and the EXIF block that is written with it."""

    name: str
    source: Path
    image: Pixels
    exif: Image.Exif
    quality: int = 92
    hole: bool = False


Change = Callable[[list[Shot]], list[Shot]]


@dataclass(frozen=True)
class Case:
    """One run: photographs of `base` (every `step`-th of the first `count`) changed by `change`.

    `focal` is that of a given calibration matrix, as a factor of the true one; `disturb` damages the cameras.
    `moved`: the photographs show something else at a pixel than the clean ones; `turns`: they were turned, too.
    """

    name: str
    base: str
    change: Change = lambda shots: shots
    step: int = 1
    count: int | None = None
    focal: float | None = None
    disturb: DisturbConfig = NONE
    settings: dict[str, object] = field(default_factory=dict)
    masks: bool = False
    moved: bool = False
    turns: bool = False

    @property
    def moves_pixels(self) -> bool:
        """Whether the clean photographs show something else at the same pixel."""
        return self.moved or any(
            word in self.name for word in ("crops", "zooms", "rolled", "lenses", "as pinhole", "mirrored")
        )

    @property
    def moves_centre(self) -> bool:
        """Whether the optical centre is no longer in the middle of the photographs."""
        return self.turns or "crops" in self.name or "rolled" in self.name


THINNED = {"saharov32": (2, None), "axe": (1, 16)}  # every which, of how many: what one core can do
FOCAL_PX = {"strecha_fountain_p11": 2762 / 3072, "fountain_twin": 1380 / 1536, "sceaux": 2906 / 2832}  # by width


def load_shots(data: Path, base: str, step: int, count: int | None) -> list[Shot]:
    """The photographs of a set, upright and at most :data:`SIZE_PX` long, with their EXIF."""
    files = sorted(path for path in (data / base / "images").iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    every, most = THINNED.get(base, (1, None))
    return [_load(path) for path in files[:most:every][:count:step]]


def _load(path: Path) -> Shot:
    with Image.open(path) as picture:
        exif = picture.getexif()
        exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    upright.thumbnail((SIZE_PX, SIZE_PX), Image.Resampling.LANCZOS)
    exif[0x0112] = 1
    return Shot(f"{path.stem}.jpg", path, np.asarray(upright), exif)


def on_pixels(change: Callable[[Pixels, int], Pixels], every: int = 1) -> Change:
    """Apply `change(pixels, index)` to every `every`-th photograph."""
    return lambda shots: [
        replace(s, image=np.ascontiguousarray(change(s.image, i))) if i % every == every - 1 else s
        for i, s in enumerate(shots)
    ]


def without_exif(shots: list[Shot]) -> list[Shot]:
    """As messengers deliver them: nothing but pixels."""
    return [replace(shot, exif=Image.Exif()) for shot in shots]


def without_gps(shots: list[Shot]) -> list[Shot]:
    """All of EXIF but the position."""
    for shot in shots:
        shot.exif.get_ifd(0x8825).clear()
    return shots


def together(*changes: Change) -> Change:
    """One change after another."""

    def changed(shots: list[Shot]) -> list[Shot]:
        for change in changes:
            shots = change(shots)
        return shots

    return changed


def recompressed(quality: int) -> Change:
    """Saved as JPEG of this quality."""
    return lambda shots: [replace(shot, quality=quality) for shot in shots]


def with_hole(shots: list[Shot]) -> list[Shot]:
    """Every second file has a hole in its JPEG data."""
    return [replace(shot, hole=i % 2 == 0) for i, shot in enumerate(shots)]


def scaled(size_px: int) -> Change:
    """Reduced or enlarged to this longest side."""
    return on_pixels(lambda p, _: _fit(p, size_px / max(p.shape[:2])))


def brightness(low: float, high: float) -> Change:
    """Each brighter or darker by one of five factors from `low` to `high`."""

    def change(pixels: Pixels, i: int) -> Pixels:
        factor = low + (high - low) * ((i * 7) % 5) / 4
        return np.clip(pixels.astype(np.float32) * factor, 0, 255).astype(np.uint8)

    return on_pixels(change)


def noisy(sigma: float) -> Change:
    """Gaussian noise of this standard deviation, in grey levels."""

    def change(pixels: Pixels, i: int) -> Pixels:
        noise = np.random.default_rng(i).normal(0, sigma, pixels.shape)
        return np.clip(pixels + noise, 0, 255).astype(np.uint8)

    return on_pixels(change)


def grey(pixels: Pixels, i: int) -> Pixels:
    """Without colour."""
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


def blurred(sigma: float) -> Change:
    """Out of focus by a Gaussian of this many pixels."""
    return on_pixels(lambda p, _: cv2.GaussianBlur(p, (0, 0), sigma))


def zoomed(factors: Sequence[float]) -> Change:
    """Photographs of one size without EXIF, taken with different zoom."""

    def change(pixels: Pixels, i: int) -> Pixels:
        h, w = pixels.shape[:2]
        z = factors[i % len(factors)]
        x, y = round(w * (1 - 1 / z) / 2), round(h * (1 - 1 / z) / 2)
        return cv2.resize(pixels[y : h - y, x : w - x], (w, h), interpolation=cv2.INTER_AREA)

    return together(without_exif, on_pixels(change))


def cropped(share: float) -> Change:
    """Cut to one size, from another corner each time: one lens with many principal points."""

    def change(pixels: Pixels, i: int) -> Pixels:
        h, w = pixels.shape[:2]
        x, y = round(w * share) * (i % 2), round(h * share) * (i // 2 % 2)
        return pixels[y : y + h - round(h * share), x : x + w - round(w * share)]

    return together(without_exif, on_pixels(change))


def rolled(share: float) -> Change:
    """Rows moved round by another number each time."""
    return on_pixels(lambda p, i: np.roll(p, round(p.shape[0] * share * ((i * 5) % 7) / 6), axis=0))


def warped(k1: Sequence[float]) -> Change:
    """Distorted as by lenses with other first coefficients."""

    def change(pixels: Pixels, i: int) -> Pixels:
        h, w = pixels.shape[:2]
        x, y = np.meshgrid((np.arange(w) - w / 2) / w, (np.arange(h) - h / 2) / w)
        bend = 1 + k1[i % len(k1)] * (x * x + y * y)
        maps = (x * bend * w + w / 2).astype(np.float32), (y * bend * w + h / 2).astype(np.float32)
        return cv2.remap(pixels, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    return on_pixels(change)


def mirrored(every: int) -> Change:
    """Every n-th photograph left and right exchanged."""
    return on_pixels(lambda p, _: p[:, ::-1], every)


def exif_focal(factor: float) -> Change:
    """EXIF states another focal length."""

    def change(shots: list[Shot]) -> list[Shot]:
        for shot in shots:
            details = shot.exif.get_ifd(0x8769)
            for tag in (37386, 41989):
                if details.get(tag):
                    details[tag] = type(details[tag])(round(float(details[tag]) * factor))
        return shots

    return change


def gps(change: Callable[[dict[int, object], int], None]) -> Change:
    """Change the GPS tags of each photograph: `change(tags, index)`."""

    def changed(shots: list[Shot]) -> list[Shot]:
        for i, shot in enumerate(shots):
            change(shot.exif.get_ifd(0x8825), i)
        return shots

    return changed


def gps_swapped(tags: dict[int, object], i: int) -> None:
    """Latitude and longitude exchanged."""
    tags[2], tags[4] = tags[4], tags[2]


def gps_without_letters(tags: dict[int, object], i: int) -> None:
    """Without N or S, and without E or W."""
    tags.pop(1), tags.pop(3)


def still_background(data: Path) -> Change:
    """The object, by its masks, before one picture that does not move."""
    scene = _fit(np.asarray(Image.open(data / "sceaux/images/100_7100.JPG").convert("RGB")), 0.45)

    def change(shots: list[Shot]) -> list[Shot]:
        changed = []
        for shot in shots:
            h, w = shot.image.shape[:2]
            mask = Image.open(data / "axe/masks" / f"{shot.source.stem}.png").convert("L").resize((w, h))
            inside = np.asarray(mask)[..., None] > 127
            changed.append(replace(shot, image=np.where(inside, shot.image, scene[:h, :w])))
        return changed

    return change


def mixed_with(data: Path, base: str) -> Change:
    """Photographs of something else among them."""
    return lambda shots: shots + [replace(s, name=f"other_{s.name}") for s in load_shots(data, base, 1, len(shots))]


def _fit(pixels: Pixels, factor: float) -> Pixels:
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def cases(data: Path) -> list[Case]:
    """All runs, the first of each set as it is."""
    fountain, twin = "strecha_fountain_p11", "fountain_twin"
    sets = (fountain, twin, "sceaux", "banana", "brighton", "saharov32")
    whole = [Case(f"{base}", base) for base in sets] + [Case("axe", "axe", masks=True)]
    return whole + _sound(fountain, twin) + _spoiled(data, fountain, twin) + _misread(fountain, twin)


def _sound(fountain: str, twin: str) -> list[Case]:
    return [
        Case("fountain every 2nd", fountain, step=2),
        Case("fountain first 7", fountain, count=7),
        Case("fountain JPEG 40", fountain, recompressed(40)),
        Case("fountain brightness", fountain, brightness(0.6, 1.15)),
        Case("fountain 640 px", fountain, scaled(640)),
        Case("fountain K given", fountain, focal=1.0),
        Case("fountain grey", fountain, on_pixels(grey)),
        Case("twin every 2nd", twin, step=2),
        Case("twin noise", twin, noisy(6)),
        Case("twin depth 480", twin, settings={"depth.max_size_px": 480}),
        Case("sceaux first 7", "sceaux", count=7),
        Case("sceaux without EXIF", "sceaux", without_exif),
        Case("sceaux 700 px", "sceaux", scaled(700)),
        Case("sceaux JPEG 30", "sceaux", recompressed(30)),
        Case("banana first 10", "banana", count=10),
        Case("banana JPEG 50", "banana", recompressed(50)),
        Case("brighton first 12", "brighton", count=12),
        Case("brighton without GPS", "brighton", without_gps),
        Case("brighton every 2nd", "brighton", step=2),
        Case("saharov first 11", "saharov32", count=11),
        Case("saharov without EXIF", "saharov32", without_exif),
        Case("saharov brightness", "saharov32", brightness(0.7, 1.1)),
        Case("axe first 9", "axe", count=9, masks=True),
        Case("axe without masks", "axe"),
    ]


def _spoiled(data: Path, fountain: str, twin: str) -> list[Case]:
    return [
        Case("fountain zooms 1, 1.6", fountain, zoomed((1, 1.6))),
        Case("twin zooms 1, 1.3, 1.7", twin, zoomed((1, 1.3, 1.7))),
        Case("saharov zooms 1, 1.5", "saharov32", zoomed((1, 1.5))),
        Case("fountain crops", fountain, cropped(0.25)),
        Case("sceaux crops", "sceaux", cropped(0.2)),
        Case("fountain rolled", fountain, rolled(0.3)),
        Case("saharov rolled", "saharov32", rolled(0.3)),
        Case("fountain lenses differ", fountain, together(without_exif, warped((-0.4, 0.5, 0.0)))),
        Case("twin lenses differ", twin, together(without_exif, warped((-0.6, 0.8)))),
        Case("sceaux mirrored", "sceaux", mirrored(3)),
        Case("saharov mirrored", "saharov32", mirrored(2)),
        Case("banana mirrored", "banana", mirrored(3)),
        Case("fountain holes", fountain, with_hole),
        Case("banana holes", "banana", with_hole),
        Case("axe still background", "axe", still_background(data)),
        Case("fountain and sceaux", fountain, mixed_with(data, "sceaux")),
        Case("fountain blurred", fountain, blurred(7)),
        Case("saharov blurred", "saharov32", blurred(5)),
        Case("banana every 4th", "banana", step=4),
        Case("saharov every 4th", "saharov32", step=4),
        Case("brighton strip of 6", "brighton", count=6),
    ]


def _misread(fountain: str, twin: str) -> list[Case]:
    return [
        Case("fountain K 0.6", fountain, focal=0.6),
        Case("fountain K 1.7", fountain, focal=1.7),
        Case("twin K 1.4", twin, focal=1.4),
        Case("sceaux K 0.7", "sceaux", focal=0.7),
        Case("fountain lens as pinhole", fountain, warped((0.6,)), focal=1.0),
        Case("twin lens as pinhole", twin, warped((-0.5,)), focal=1.0),
        Case("sceaux EXIF 2.5, first 4", "sceaux", exif_focal(2.5), count=4),
        Case("banana EXIF 0.4, first 5", "banana", exif_focal(0.4), count=5),
        Case("brighton GPS without letters", "brighton", gps(gps_without_letters)),
        Case("brighton GPS swapped", "brighton", gps(gps_swapped)),
        Case("fountain turned 0.6 deg", fountain, disturb=DisturbConfig(rotation_deg=0.6)),
        Case("twin turned 1.5 deg", twin, disturb=DisturbConfig(rotation_deg=1.5)),
        Case("saharov turned 1 deg", "saharov32", disturb=DisturbConfig(rotation_deg=1.0)),
        Case("fountain moved 4 %", fountain, disturb=DisturbConfig(move=0.04)),
        Case("sceaux moved 4 %", "sceaux", disturb=DisturbConfig(move=0.04)),
        Case("brighton moved 5 %", "brighton", disturb=DisturbConfig(move=0.05)),
        Case("twin bent", twin, disturb=DisturbConfig(bend_deg=20.0)),
        Case("sceaux bent", "sceaux", disturb=DisturbConfig(bend_deg=25.0)),
        Case("banana focal 1.3", "banana", disturb=DisturbConfig(focal=1.3)),
    ]
