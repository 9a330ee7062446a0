"""Colour and light of the sample scene: solid noise evaluated at the surface point, in fused Numba kernels.

Value noise on an integer lattice (Perlin, SIGGRAPH 1985, in its simplest form) is hashed, not tabulated, so a colour
depends on nothing but the point: every view sees exactly the same texture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows

GROUND, WALL, PLINTH, KNOT = 0, 1, 2, 3
SUN = np.array([0.45, -0.65, 0.61])
_SKY_RGB = (0.62, 0.72, 0.85)

# The dark tone and the two light tones of each material, linear in the picture's own values.
_PALETTES = np.array(
    [
        [[0.25, 0.24, 0.23], [0.76, 0.72, 0.66], [0.62, 0.66, 0.62]],
        [[0.36, 0.26, 0.19], [0.94, 0.82, 0.64], [0.86, 0.68, 0.51]],
        [[0.30, 0.29, 0.30], [0.95, 0.93, 0.88], [0.78, 0.80, 0.82]],
        [[0.04, 0.20, 0.24], [0.36, 0.78, 0.72], [0.98, 0.68, 0.33]],
    ]
)


class Hits(NamedTuple):
    """Where rays hit the surface, as Open3D answers.

    Attributes:
        depth: float32 [H, W], infinite = no hit; `face` uint32 [H, W].
        uv: float32 [H, W, 2], barycentric; `normal` float32 [H, W, 3].
    """

    depth: NDArray[np.float32]
    face: NDArray[np.uint32]
    uv: NDArray[np.float32]
    normal: NDArray[np.float32]


class LitSurface(NamedTuple):
    """What rays can hit.

    Attributes:
        faces: int32 [F, 3]; `materials` uint8 [F], which palette each face has.
        lights: float32 [V, 2], the shares of the sun and of the sky that each vertex sees.
    """

    faces: NDArray[np.int32]
    materials: NDArray[np.uint8]
    lights: NDArray[np.float32]


@njit(cache=True, inline="always")
def _hash01(x: int, y: int, z: int, seed: int) -> float:
    """Uniform pseudo-random number in [0, 1) of a lattice point (xorshift-multiply mixing)."""
    h = np.uint64(x) * np.uint64(0x9E3779B97F4A7C15)
    h ^= np.uint64(y) * np.uint64(0xC2B2AE3D27D4EB4F)
    h ^= np.uint64(z) * np.uint64(0x165667B19E3779F9) + np.uint64(seed) * np.uint64(0x27D4EB2F) + np.uint64(1)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return np.float64(h >> np.uint64(40)) / 16777216.0


@njit(cache=True)
def _noise_at(x: float, y: float, z: float, seed: int) -> float:
    """Value noise in [0, 1]: smooth blend of the eight hashed lattice values around the point."""
    i, j, k = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    total = 0.0
    for corner in range(8):
        a, b, c = corner & 1, corner >> 1 & 1, corner >> 2 & 1
        weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
        total += weight * _hash01(i + a, j + b, k + c, seed)
    return float(total)


@njit(cache=True)
def _octave(x: float, y: float, z: float, frequency: float, seed: int) -> float:
    return float(_noise_at(x * frequency, y * frequency, z * frequency, seed))


@njit(cache=True)
def _joint(x: float, z: float, course: float, length: float) -> float:
    """1 in the middle of a block of masonry, falling to 0.35 in the joints around it."""
    row = np.floor(z / course)
    along = x / length + 0.5 * (row % 2)
    edge = min(abs(z / course - row - 0.5) * course, 1e9)
    side = abs(along - np.floor(along) - 0.5) * length
    gap = min(0.5 * course - edge, 0.5 * length - side)
    return float(0.35 + 0.65 * min(max(gap / 0.012, 0.0), 1.0))


@njit(cache=True)
def _albedo(x: float, y: float, z: float, material: int, palettes: NDArray[np.float64]) -> tuple[float, float, float]:
    """Colour of a point: coarse tone and three octaves of grain between the tones of the material."""
    base = _octave(x, y, z, 3.0, 0)
    grain = _octave(x, y, z, 140.0, 3)
    fine = 0.5 * _octave(x, y, z, 17.0, 1) + 0.3 * _octave(x, y, z, 53.0, 2) + 0.2 * grain
    mix = min(max(0.5 + 0.9 * (base - 0.5) + 1.6 * (fine - 0.5), 0.0), 1.0)
    tint = _octave(x, y, z, 6.0, 4)
    if material == WALL:
        mix *= _joint(x, z, 0.21, 0.52)
    elif material == GROUND:
        mix *= _joint(x, y, 0.17, 0.26)
    elif material == PLINTH:
        vein = abs(_octave(x, y, z, 2.3, 5) + 0.35 * _octave(x, y, z, 9.0, 6) - 0.68)
        mix = 0.35 * mix + 0.65 * min(max(vein / 0.10, 0.0), 1.0) * (0.75 + 0.25 * mix)
    elif material == KNOT:
        tint = min(max(3.0 * (tint - 0.5) + 0.5, 0.0), 1.0)
        mix = min(max(mix + 0.8 * (fine - 0.5) + 0.06, 0.0), 1.0)
    tones = palettes[material]
    light0 = (1 - tint) * tones[1, 0] + tint * tones[2, 0]
    light1 = (1 - tint) * tones[1, 1] + tint * tones[2, 1]
    light2 = (1 - tint) * tones[1, 2] + tint * tones[2, 2]
    gain = 0.86 + 0.28 * grain
    return (
        gain * ((1 - mix) * tones[0, 0] + mix * light0),
        gain * ((1 - mix) * tones[0, 1] + mix * light1),
        gain * ((1 - mix) * tones[0, 2] + mix * light2),
    )


@over_rows
def _noise_kernel(first: int, end: int, points: NDArray[np.float64], seed: int, out: NDArray[np.float64]) -> None:
    for i in range(first, end):
        out[i] = _noise_at(points[i, 0], points[i, 1], points[i, 2], seed)


@over_rows
def _shade_kernel(
    first: int,
    end: int,
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    sun: NDArray[np.float64],
    palettes: NDArray[np.float64],
    material: int,
    out: NDArray[np.float64],
) -> None:
    for i in range(first, end):
        r, g, b = _albedo(points[i, 0], points[i, 1], points[i, 2], material, palettes)
        cosine = normals[i, 0] * sun[0] + normals[i, 1] * sun[1] + normals[i, 2] * sun[2]
        light = 0.45 + 0.55 * max(cosine, 0.0)
        out[i, 0], out[i, 1], out[i, 2] = r * light, g * light, b * light


@over_rows
def _rays_kernel(
    first: int,
    end: int,
    out: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    cam_from_world: NDArray[np.float64],
    offset_x: float,
    offset_y: float,
) -> None:
    R, t = cam_from_world[:, :3], cam_from_world[:, 3]
    fx, fy, cx, cy = intrinsics
    for row in range(first, end):
        y = (row + offset_y - cy) / fy
        for column in range(out.shape[1]):
            x = (column + offset_x - cx) / fx
            for axis in range(3):
                out[row, column, axis] = -(R[0, axis] * t[0] + R[1, axis] * t[1] + R[2, axis] * t[2])
                out[row, column, 3 + axis] = R[0, axis] * x + R[1, axis] * y + R[2, axis]


@over_rows
def _hits_kernel(
    first: int,
    end: int,
    rays: NDArray[np.float32],
    hits: Hits,
    surface: LitSurface,
    sun: NDArray[np.float64],
    sky: tuple[float, float, float],
    palettes: NDArray[np.float64],
    total: NDArray[np.float32],
) -> None:
    faces, lights = surface.faces, surface.lights
    for row in range(first, end):
        for column in range(rays.shape[1]):
            z = hits.depth[row, column]
            if not np.isfinite(z):
                total[row, column, 0] += sky[0]
                total[row, column, 1] += sky[1]
                total[row, column, 2] += sky[2]
                continue
            origin, direction = rays[row, column, :3], rays[row, column, 3:]
            normal, hit = hits.normal[row, column], hits.face[row, column]
            x, y, h = origin[0] + z * direction[0], origin[1] + z * direction[1], origin[2] + z * direction[2]
            u, v = hits.uv[row, column, 0], hits.uv[row, column, 1]
            a, b, c = faces[hit, 0], faces[hit, 1], faces[hit, 2]
            in_sun = (1 - u - v) * lights[a, 0] + u * lights[b, 0] + v * lights[c, 0]
            in_sky = (1 - u - v) * lights[a, 1] + u * lights[b, 1] + v * lights[c, 1]
            cosine = max(normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2], 0.0)
            red, green, blue = _albedo(x, y, h, surface.materials[hit], palettes)
            warm = 0.80 * in_sun * cosine
            cool = 0.20 + 0.42 * in_sky  # the first part is light that bounces between surfaces
            total[row, column, 0] += min(red * (0.96 * cool + 1.04 * warm), 1.0)
            total[row, column, 1] += min(green * (cool + warm), 1.0)
            total[row, column, 2] += min(blue * (1.06 * cool + 0.92 * warm), 1.0)


def noise(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Value noise in [0, 1], float64 [...], of points [..., 3]."""
    flat = np.ascontiguousarray(points, np.float64).reshape(-1, 3)
    out = np.empty(len(flat))
    _noise_kernel(flat, seed, out)
    return out.reshape(points.shape[:-1])


def shade(
    points_world: NDArray[np.float64], normals_world: NDArray[np.float64], material: int = WALL
) -> NDArray[np.float64]:
    """Colour [..., 3] in [0, 1] of unshadowed surface points [..., 3] of one material, lit by the sun and the sky."""
    points = np.ascontiguousarray(points_world, np.float64).reshape(-1, 3)
    normals = np.ascontiguousarray(normals_world, np.float64).reshape(-1, 3)
    out = np.empty_like(points)
    _shade_kernel(points, normals, SUN, _PALETTES, material, out)
    return out.reshape(points_world.shape)


def pinhole_rays(
    intrinsics_px: tuple[float, float, float, float],
    cam_from_world: NDArray[np.float64],
    width_px: int,
    height_px: int,
    offset_px: tuple[float, float],
) -> NDArray[np.float32]:
    """Origin and direction (z = 1 in the camera), float32 [H, W, 6] in the world, at `offset_px` in each pixel."""
    rays = np.empty((height_px, width_px, 6), np.float32)
    _rays_kernel(rays, np.array(intrinsics_px, np.float64), np.array(cam_from_world, np.float64), *offset_px)
    return rays


def add_colors(
    total: NDArray[np.float32],
    rays: NDArray[np.float32],
    hits: Hits,
    surface: LitSurface,
) -> None:
    """Add to `total` [H, W, 3] the colours that `rays` [H, W, 6] see.

    Args:
        total: float32 [H, W, 3], changed in place.
        rays: as made by :func:`pinhole_rays`.
        hits: where they hit the surface.
        surface: what is hit.
    """
    _hits_kernel(rays, hits, surface, SUN, _SKY_RGB, _PALETTES, total)
