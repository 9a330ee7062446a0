"""The sparse model: cameras, poses, points and the observations that tie them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.agreement import PhotoAgreement, StillParts
from e2e3d.data.name_lookup import unknown_photograph

_ONE_FOCAL_LENGTH = ("SIMPLE_", "RADIAL")  # COLMAP's models whose parameters begin with f, cx, cy


@dataclass(frozen=True)
class Camera:
    """A calibrated camera in COLMAP's parametrisation.

    Attributes:
        camera_id: unique, from 1.
        model: COLMAP's name, such as ``PINHOLE``, ``SIMPLE_RADIAL``, ``OPENCV``.
        params: the model's parameters in COLMAP's order, in pixels of the full EXIF-oriented photograph.
    """

    camera_id: int
    model: str
    width_px: int
    height_px: int
    params: tuple[float, ...]

    @property
    def K(self) -> NDArray[np.float64]:
        """Calibration matrix, float64 [3, 3], in pixels; what the lens distorts beside it is in `params` alone."""
        one = self.model.startswith(_ONE_FOCAL_LENGTH)
        fx, fy, cx, cy = (self.params[0], *self.params[:3]) if one else self.params[:4]
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


@dataclass(frozen=True, eq=False)
class SceneImage:
    """A registered photograph.

    Attributes:
        name: the photograph's name.
        photo_index: its index in the list of usable photographs.
        cam_from_world: float64 [3, 4].
    """

    name: str
    photo_index: int
    camera_id: int
    cam_from_world: NDArray[np.float64]

    @property
    def center_world(self) -> NDArray[np.float64]:
        """Where the camera stood, float64 [3]."""
        center: NDArray[np.float64] = -self.cam_from_world[:, :3].T @ self.cam_from_world[:, 3]
        return center


@dataclass(frozen=True)
class Georeference:
    """How the model's local metric frame (x east, y north, z up) sits on the Earth.

    Attributes:
        origin: WGS84 latitude and longitude in degrees, ellipsoidal height in metres, of the frame's origin.
        epsg: code of the projected system (UTM zone) that georeferenced exports use.
        origin_projected_m: the origin's easting, northing and height in that system.
        rms_error_m: root mean square distance between cameras and their GPS positions after alignment, over the
            photographs that agree.
        horizontal_error_m: its horizontal part; `vertical_error_m` its vertical part, None where no heights are stated.
        scale_error: relative standard error of the model's scale, from the disagreement of the positions, as if each
            erred by itself; `scale_bound` the relative error that it stays within in 95 of 100 sets, also where the
            errors of one photograph and the next resemble each other. Heading: the same numbers, in radians.
        level_source: what the model's level was taken from: ``views``, ``attitude``, ``gps``, or ``views and gps``.
        heights_known: False where the stated heights contradict the views or each other, or none are stated.
    """

    origin: tuple[float, float, float]
    epsg: int
    origin_projected_m: tuple[float, float, float]
    rms_error_m: float
    horizontal_error_m: float | None = None
    vertical_error_m: float | None = None
    scale_error: float | None = None
    level_source: str = "gps"
    heights_known: bool = True
    scale_bound: float | None = None


@dataclass(frozen=True)
class Remark:
    """What should be known of the cameras or their frame: a stable code, whole sentences, photographs it is about."""

    code: str
    message: str
    photographs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """A COLMAP-compatible sparse scene in structure-of-arrays form.

    Attributes:
        points_world: float64 [N, 3]; `colors` uint8 [N, 3]; `errors_px` float32 [N] (mean reprojection error).
        observation_image: int32 [M], index into `images`; observations are sorted by point.
        observation_point: int32 [M], index into `points_world`.
        observation_px: float32 [M, 2], position in the full photograph.
        frame: ``georeferenced`` (metres, z up), ``upright`` (z up, arbitrary scale), ``metric`` (z up, metres) or
            ``arbitrary``.
        remarks: what should be known of the frame, such as why GPS positions were not used.
    """

    cameras: tuple[Camera, ...]
    images: tuple[SceneImage, ...]
    points_world: NDArray[np.float64]
    colors: NDArray[np.uint8]
    errors_px: NDArray[np.float32]
    observation_image: NDArray[np.int32]
    observation_point: NDArray[np.int32]
    observation_px: NDArray[np.float32]
    frame: str = "arbitrary"
    georeference: Georeference | None = None
    remarks: tuple[Remark, ...] = ()

    def __getitem__(self, name: str) -> SceneImage:
        """The registered photograph of that name. Raises InputError ``unknown-photograph``."""
        for image in self.images:
            if image.name == name:
                return image
        raise unknown_photograph(name, (image.name for image in self.images), "The scene")

    def __iter__(self) -> Iterator[SceneImage]:
        return iter(self.images)

    def __contains__(self, name: object) -> bool:
        return any(image.name == name for image in self.images)

    def __repr__(self) -> str:
        points = f"{len(self.points_world):,} points"
        return f"Scene({len(self.images)} images, {len(self.cameras)} cameras, {points}, {self.frame})"

    def camera_of(self, image: SceneImage) -> Camera:
        """The camera that took `image`."""
        return next(camera for camera in self.cameras if camera.camera_id == image.camera_id)


@dataclass(frozen=True)
class LeftOut:
    """A usable photograph that could not be registered: a stable code and words a photographer can act on."""

    name: str
    code: str
    reason: str


@dataclass(frozen=True)
class Mapping:
    """Result of the mapping stage.

    Attributes:
        component_sizes: registered photographs of every component found, largest first; the first one is `scene`.
        lens_notes: ``lens`` for each of several lenses that were told apart, ``cropped``, ``focal-held``,
            ``focal-misstated``.
        agreement: of every photograph that was registered, those included that were taken out again.
        still: what was left out because it stands still in the image; None = nothing.
    """

    scene: Scene
    left_out: tuple[LeftOut, ...]
    component_sizes: tuple[int, ...]
    lens_notes: tuple[Remark, ...] = ()
    agreement: tuple[PhotoAgreement, ...] = ()
    still: StillParts | None = None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What should be known of the frame and of the lenses."""
        return (*self.scene.remarks, *self.lens_notes)

    def still_cells(self, image: SceneImage) -> NDArray[np.bool_] | None:
        """Cells of a registered photograph that stand still, bool [rows, columns]; None where none were looked for."""
        return self.still.masks[image.photo_index] if self.still and self.still.masks else None
