"""What one photograph shows of each face: a z-buffer of face numbers, then sums over the pixels of each face."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.camera import FISHEYE, FX, POSE

MAX_RASTER_PX = 4_000_000
VISIBLE_SHARE = 0.97
MIN_COSINE = 0.12
OUTLINE_MARGIN_PX = 3
TOLERANCE_PX = 2.0  # by which a face may lie behind one that it touches, as in wrinkles
NOT_ADJACENT = 0.25  # of it, behind one that is not adjacent: another sheet, or the other side of a wall
BEHIND_OUTLINE, BEFORE_OUTLINE = 0.1, 0.25
GRADIENT_FLOOR = 4.0
CLIPPED = 254
BLUR_STEP, BLUR_WINDOW = 8, 5
BLUR_SIGMA_PX = 1.0
CLIPPED_FLOOR = 0.01  # decides only where nothing but light is seen
BLUR_FLOOR, PLAIN = 0.5, 0.2  # energy of gradients, grey levels squared, and what plain surface is taken for
RIM_PX = 14
RIM_STEP = 4  # the colours on both sides of an outline are compared on a coarser grid
RIM_CONTRAST, RIM_SHARE = 40.0, 0.5


class _Raster(NamedTuple):
    """A photograph at the size at which it is rated, and the faces drawn into it.

    Attributes:
        depth: float32 [H, W]; `owner` int32 [H, W], see :func:`face_buffer`.
        nearest, farthest: float32 [H, W], least and largest depth within the margin of an outline.
        image: uint8 [H, W, 3]; `gradient` float32 [H, W], its detail; `usable` uint8 [H, W], 1 = use.
        pixel_angle: width of a pixel at depth 1.
        area_factor: pixels of the photograph for one here.
    """

    depth: NDArray[np.float32]
    owner: NDArray[np.int32]
    nearest: NDArray[np.float32]
    farthest: NDArray[np.float32]
    image: NDArray[np.uint8]
    gradient: NDArray[np.float32]
    usable: NDArray[np.uint8]
    pixel_angle: float
    area_factor: float


def score_view(
    camera: NDArray[np.float64],
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None,
    vertices_world: NDArray[np.float32],
    faces: NDArray[np.int32],
    projected: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Rate every face in one photograph.

    The rating is Waechter's gradient magnitude integral (projected area times mean gradient, so it prefers close,
    frontal and sharp views) with a floor for plain surfaces, times the cosine of the viewing angle and the fineness of
    detail around the face, which separates a blurred view from one of a plain surface. It is cut where an
    outline is within a few pixels, because a reconstructed outline is never exact: to a tenth behind an occluder, whose
    colour may be sampled, to a quarter in front of something farther. Clipped pixels, and the edges around them, show
    light instead of surface and count as plain. A face beside nothing that has the colour of what lies there, the sky,
    rather than of the surface around it, is not usable.

    Args:
        camera: of :func:`~e2e3d.ops.texturing.camera.camera_vector`.
        image: uint8 [H, W, 3].
        mask: bool [H, W], True = use, or None.
        vertices_world: float32 [V, 3].
        faces: int32 [F, 3].
        projected: float32 [V, 3] of :func:`~e2e3d.ops.texturing.camera.project_points`.

    Returns:
        quality float32 [F], 0 = not fully visible, -1 = shows the sky, and the mean colour uint8 [F, 3].
    """
    height, width = image.shape[:2]
    scale = min(1.0, (MAX_RASTER_PX / (height * width)) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    clipped = cv2.dilate(cv2.bitwise_not(cv2.inRange(image, (0,) * 3, (CLIPPED - 1,) * 3)), np.ones((5, 5), np.uint8))
    gradient = cv2.resize(_without(clipped, _gradient(grey)), size, interpolation=cv2.INTER_AREA)
    gradient = (gradient + np.float32(GRADIENT_FLOOR)) * _bandwidth(grey, clipped, size)
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA)
    usable = np.ones(size[::-1], np.uint8)
    if mask is not None:
        usable = (cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 254).astype(np.uint8)
    corners = projected * np.array([size[0] / width, size[1] / height, 1], np.float32)
    depth, owner = face_buffer(corners, faces, size[1], size[0])
    window = np.ones((2 * OUTLINE_MARGIN_PX + 1,) * 2, np.uint8)
    nearest = cv2.erode(depth, window, borderType=cv2.BORDER_REPLICATE)
    farthest = cv2.dilate(depth, window, borderType=cv2.BORDER_REPLICATE)
    pose = camera[POSE:FISHEYE].reshape(3, 4)
    centre = -pose[:, :3].T @ pose[:, 3]
    cosine, quality = np.zeros(len(faces), np.float32), np.zeros(len(faces), np.float32)
    colour = np.zeros((len(faces), 3), np.uint8)
    _cosines(faces, vertices_world, centre, cosine)
    pixel_angle = float(1 / (camera[FX] * size[0] / width))
    raster = _Raster(depth, owner, nearest, farthest, small, gradient, usable, pixel_angle, scale**-2)
    _rate_faces(faces, corners, cosine, raster, quality, colour)
    rated = np.flatnonzero(quality > 0)
    quality[rated[_shows_background(corners, faces[rated], colour[rated], small, owner)]] = -1
    return quality, colour


def _without(clipped: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """`values`, set to zero where `clipped` is not."""
    np.copyto(values, 0, where=clipped > 0)
    return values


def _gradient(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Magnitude of the brightness gradient, grey levels a pixel, float32 [H, W]."""
    dx, dy = (
        cv2.Sobel(grey, cv2.CV_32F, *axis, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        for axis in ((1, 0), (0, 1))
    )
    return np.asarray(cv2.magnitude(dx, dy, dx), np.float32)


def _bandwidth(grey: NDArray[np.uint8], clipped: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """How fine the detail around each pixel is, squared frequency, float32 [h, w] for `size` (w, h).

    The energy of the second derivatives over that of the first is the mean squared frequency of the edges: blur of b
    pixels divides it by about 1 + b². Times the projected area it says how many details of its own a face has in this
    photograph, whatever the distance. The smoothing before keeps noise from passing for detail; where there is hardly
    any, all photographs count the same. Clipped pixels do not count, and a place of nothing else has no detail.
    """
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), BLUR_SIGMA_PX)
    dx, dy = cv2.Sobel(smooth, -1, 1, 0, ksize=1), cv2.Sobel(smooth, -1, 0, 1, ksize=1)
    slope, bend = cv2.magnitude(dx, dy, dx), cv2.Laplacian(smooth, -1)
    clipped = cv2.dilate(clipped, np.ones((5, 5), np.uint8))  # as far as the smoothing spreads
    coarse = (max(1, size[0] // BLUR_STEP), max(1, size[1] // BLUR_STEP))
    slope, bend, surface = (
        cv2.blur(cv2.resize(energy, coarse, interpolation=cv2.INTER_AREA), (BLUR_WINDOW,) * 2)
        for energy in (
            _without(clipped, cv2.multiply(slope, slope, slope, scale=0.25)),
            _without(clipped, cv2.multiply(bend, bend, bend)),
            (clipped == 0).astype(np.float32),
        )
    )
    floor = BLUR_FLOOR * surface + CLIPPED_FLOOR
    found = 0.001 + (bend + BLUR_FLOOR * PLAIN * surface) / (slope + floor)
    return np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_LINEAR))


def _shows_background(
    corners: NDArray[np.float32],
    faces: NDArray[np.int32],
    colour: NDArray[np.uint8],
    image: NDArray[np.uint8],
    owner: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Faces bool [F] that reach a little over the outline and show the sky behind it.

    Each face near pixels without surface is compared with the mean colours of both sides of the outline around it.
    """
    size = (max(1, owner.shape[1] // RIM_STEP), max(1, owner.shape[0] // RIM_STEP))
    surface = cv2.resize((owner >= 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    third = np.array([size[0] / owner.shape[1], size[1] / owner.shape[0]], np.float32) / 3
    middle = sum(corners[corner, :2] for corner in faces.T) * third
    x, y = np.clip(middle, 0, np.array(size, np.float32) - 1).astype(np.int64).T
    beside = cv2.dilate((surface < 1).astype(np.uint8), np.ones((2 * RIM_PX // RIM_STEP + 1,) * 2, np.uint8))
    rim = np.flatnonzero(beside[y, x])
    inside, outside = (_local_means(coarse, side)[y[rim], x[rim]] for side in (surface == 1, surface == 0))
    own = colour[rim].astype(np.float32)
    contrast, away = (np.abs(side - outside).max(1) for side in (inside, own))
    background = np.zeros(len(faces), bool)
    background[rim] = (contrast > RIM_CONTRAST) & (away < RIM_SHARE * contrast)
    return background


def _local_means(image: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean float32 [H, W, 3] of the chosen pixels around each pixel; NaN where there are none."""
    window = (2 * (2 * RIM_PX // RIM_STEP) + 1,) * 2
    weight = chosen.astype(np.float32)
    total = cv2.boxFilter(image * weight[..., None], -1, window, normalize=False)
    count = cv2.boxFilter(weight, -1, window, normalize=False)[..., None]
    return np.where(count > 0.5, total / np.maximum(count, 1), np.float32(np.nan))


@over_rows
def _cosines(first, end, faces, vertices, centre, out):  # type: ignore[no-untyped-def]
    """Cosine float32 [F] between each face's normal and the direction to the camera, into `out`."""
    for f in range(first, end):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        dx = centre[0] - (a[0] + b[0] + c[0]) / 3
        dy = centre[1] - (a[1] + b[1] + c[1]) / 3
        dz = centre[2] - (a[2] + b[2] + c[2]) / 3
        length = ((nx * nx + ny * ny + nz * nz) * (dx * dx + dy * dy + dz * dz)) ** 0.5
        if length > 0:
            out[f] = (nx * dx + ny * dy + nz * dz) / length


@njit(cache=True)
def _plane(corners, face):  # type: ignore[no-untyped-def]
    """Barycentric gradients and inverse depths of a projected face: x, y, z of each corner and twice its area."""
    x0, y0, z0 = corners[face[0], 0], corners[face[0], 1], corners[face[0], 2]
    x1, y1, z1 = corners[face[1], 0], corners[face[1], 1], corners[face[1], 2]
    x2, y2, z2 = corners[face[2], 0], corners[face[2], 1], corners[face[2], 2]
    return x0, y0, z0, x1, y1, z1, x2, y2, z2, (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)


def face_buffer(
    corners: NDArray[np.float32], faces: NDArray[np.int32], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Depth float32 [H, W] (1e30 = nothing) and number int32 [H, W] of the nearest face at each pixel centre."""
    depth = np.full((height, width), np.float32(1e30), np.float32)
    owner = np.full((height, width), -1, np.int32)
    _nearest_faces(depth, owner, corners, faces)
    return depth, owner


@over_rows
def _nearest_faces(first, end, depth, owner, corners, faces):  # type: ignore[no-untyped-def]
    width = depth.shape[1]
    for f in range(len(faces)):
        x0, y0, z0, x1, y1, z1, x2, y2, z2, area = _plane(corners, faces[f])
        if z0 <= 0 or z1 <= 0 or z2 <= 0 or area == 0:
            continue
        low, high = min(y0, y1, y2), max(y0, y1, y2)
        if high < first or low > end:
            continue
        left, right = min(x0, x1, x2), max(x0, x1, x2)
        if right < 0 or left > width:
            continue
        i0, i1, i2, share = 1 / z0, 1 / z1, 1 / z2, 1.0 / area
        for y in range(max(first, int(np.ceil(low - 0.5))), min(end, int(np.floor(high - 0.5)) + 1)):
            py = y + 0.5
            for x in range(max(0, int(np.ceil(left - 0.5))), min(width, int(np.floor(right - 0.5)) + 1)):
                px = x + 0.5
                b1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * share
                b2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * share
                if b1 < 0 or b2 < 0 or b1 + b2 > 1:
                    continue
                z = 1 / (i0 + b1 * (i1 - i0) + b2 * (i2 - i0))
                if z < depth[y, x]:
                    depth[y, x] = z
                    owner[y, x] = f


@njit(cache=True)
def _is_first_surface(z, f, faces, depth, owner, tolerance):  # type: ignore[no-untyped-def]
    """Whether face f at depth z is the first surface at a pixel, or a wrinkle behind it, within the tolerance."""
    if owner < 0 or owner == f or z <= depth + NOT_ADJACENT * tolerance:
        return True
    if z > depth + tolerance:
        return False
    for i in range(3):
        for j in range(3):
            if faces[f, i] == faces[owner, j]:
                return True
    return False


@over_rows
def _rate_faces(first, end, faces, corners, cosine, raster, quality, colour):  # type: ignore[no-untyped-def]
    """Quality float32 [F] and mean colour uint8 [F, 3] of each face."""
    depth, owner, nearest, farthest, image, gradient, usable, pixel_angle, area_factor = raster
    height, width = depth.shape
    for f in range(first, end):
        x0, y0, z0, x1, y1, z1, x2, y2, z2, area = _plane(corners, faces[f])
        if cosine[f] < MIN_COSINE or z0 <= 0 or z1 <= 0 or z2 <= 0 or area == 0:
            continue
        left, right, low, high = min(x0, x1, x2), max(x0, x1, x2), min(y0, y1, y2), max(y0, y1, y2)
        if left < 1 or low < 1 or right > width - 1 or high > height - 1:
            continue
        zm = (z0 + z1 + z2) / 3
        slope = max(z0, z1, z2) - min(z0, z1, z2)
        tolerance = TOLERANCE_PX * (zm * pixel_angle + slope / max(1.0, max(right - left, high - low)))
        total, seen, sharp, red, green, blue = 0, 0, 0.0, 0.0, 0.0, 0.0
        first_x, last_x = int(np.ceil(left - 0.5)), int(np.floor(right - 0.5))
        first_y, last_y = int(np.ceil(low - 0.5)), int(np.floor(high - 0.5))
        i0, i1, i2, share = 1 / z0, 1 / z1, 1 / z2, 1.0 / area
        for y in range(first_y, last_y + 1):
            for x in range(first_x, last_x + 1):
                b1 = ((x + 0.5 - x0) * (y2 - y0) - (x2 - x0) * (y + 0.5 - y0)) * share
                b2 = ((x1 - x0) * (y + 0.5 - y0) - (x + 0.5 - x0) * (y1 - y0)) * share
                if b1 < 0 or b2 < 0 or b1 + b2 > 1:
                    continue
                total += 1
                z = 1 / (i0 + b1 * (i1 - i0) + b2 * (i2 - i0))
                if usable[y, x] and _is_first_surface(z, f, faces, depth[y, x], owner[y, x], tolerance):
                    seen += 1
                    sharp += gradient[y, x]
                    red, green, blue = red + image[y, x, 0], green + image[y, x, 1], blue + image[y, x, 2]
        # A face smaller than a pixel is compared with what lies at the pixel's centre, on the same slope.
        off_centre = tolerance + zm * pixel_angle * np.sqrt(1 - cosine[f] ** 2) / cosine[f] / NOT_ADJACENT
        xc, yc = int((x0 + x1 + x2) / 3), int((y0 + y1 + y2) / 3)
        if total == 0 and usable[yc, xc] and _is_first_surface(zm, f, faces, depth[yc, xc], owner[yc, xc], off_centre):
            total, seen, sharp = 1, 1, gradient[yc, xc]
            red, green, blue = float(image[yc, xc, 0]), float(image[yc, xc, 1]), float(image[yc, xc, 2])
        if seen == 0 or seen < VISIBLE_SHARE * total:
            continue
        rating = sharp / seen * abs(area) * 0.5 * area_factor * cosine[f]
        jump = slope + 8 * OUTLINE_MARGIN_PX * zm * pixel_angle
        if zm - nearest[yc, xc] > jump:
            rating *= BEHIND_OUTLINE
        elif farthest[yc, xc] - zm > jump:
            rating *= BEFORE_OUTLINE
        quality[f] = rating
        colour[f, 0], colour[f, 1], colour[f, 2] = int(red / seen), int(green / seen), int(blue / seen)
