"""One photograph of a finished run, with everything that was found out about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.data.features import Features
from e2e3d.data.photo import Photo
from e2e3d.data.scene import Camera, SceneImage
from e2e3d.errors import InputError
from e2e3d.inspection.html_summary import table_html, thumbnail_uri
from e2e3d.inspection.pair_matches import PairMatches, pair_matches
from e2e3d.inspection.run_records import RunRecords, stage_of_pass
from e2e3d.ops.matching.match_graph import match_graph
from e2e3d.ops.photos.decoding import decode_photo

_DEPTH_STAGES = ("depth", "refinement", "consistency")


@dataclass(frozen=True)
class PhotoResult:
    """A photograph of a run: ``result["A.jpg"]``. Everything is loaded when it is asked for.

    Attributes:
        name: unique in the run.
        records: of the run.
    """

    name: str
    records: RunRecords

    @property
    def photo(self) -> Photo:
        """What the checks found: size, EXIF, GPS, sharpness, problems."""
        return self.records.photo(self.name)

    @property
    def usable(self) -> bool:
        """Whether it took part; otherwise `photo.problems` says why."""
        return self.photo.usable

    @property
    def registered(self) -> bool:
        """Whether it has a place in the model."""
        return self.name in self.records.results.mapping.scene

    @property
    def image(self) -> NDArray[np.uint8]:
        """The photograph, uint8 [H, W, 3] RGB, upright."""
        return decode_photo(self.records.blob(self.photo.sha256), white_level=self.photo.white_level).image

    @property
    def features(self) -> Features:
        """Keypoints and descriptors. Raises InputError ``photo-not-used``."""
        return self.records.results.features[self.records.place(self.name)].load()

    def matches(self, other: str, outliers: bool = False) -> PairMatches:
        """Matches with another photograph; with `outliers` also those that verification rejected.

        Raises:
            InputError: ``unknown-photograph``, ``photo-not-used`` or ``not-matched``.
        """
        return pair_matches(self.records, self.name, other, outliers)

    @property
    def neighbours(self) -> dict[str, int]:
        """Verified matches with each photograph that has any, most first."""
        graph = match_graph(ref.load() for ref in self.records.results.matches)
        found = graph.neighbours(self.records.place(self.name))
        return {self.records.usable[other].name: count for other, count in found}

    @property
    def scene_image(self) -> SceneImage:
        """Its entry in the scene. Raises InputError ``not-registered``, with the reason."""
        scene = self.records.results.mapping.scene
        self.records.place(self.name)
        if self.name not in scene:
            why = self.records.why_without_view(self.name)
            raise InputError("not-registered", f"{self.name} has no place in the model: {why}", "")
        return scene[self.name]

    @property
    def camera(self) -> Camera:
        """The calibrated camera. Raises as :attr:`scene_image`."""
        return self.records.results.mapping.scene.camera_of(self.scene_image)

    @property
    def K(self) -> NDArray[np.float64]:
        """Calibration matrix in pixels of the photograph, float64 [3, 3]. Raises as :attr:`scene_image`."""
        return self.camera.K

    @property
    def cam_from_world(self) -> NDArray[np.float64]:
        """The pose, float64 [3, 4]. Raises as :attr:`scene_image`."""
        return self.scene_image.cam_from_world

    @property
    def center_world(self) -> NDArray[np.float64]:
        """Where it was taken, float64 [3]. Raises as :attr:`scene_image`."""
        return self.scene_image.center_world

    @property
    def observations(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The sparse points that it sees: pixels, float32 [N, 2], and points in the world, float64 [N, 3]."""
        scene, image = self.records.results.mapping.scene, self.scene_image
        own = scene.observation_image == next(i for i, entry in enumerate(scene.images) if entry is image)
        return scene.observation_px[own], scene.points_world[scene.observation_point[own]]

    @property
    def view(self) -> View:
        """The undistorted photograph that depth was measured in. Raises InputError ``no-view``."""
        return self.records.results.views[self.records.view_place(self.name)].load()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the photographs that its depth was matched with, best first. Raises InputError ``no-view``."""
        images = self.records.results.mapping.scene.images
        geometry = self.records.results.geometry[self.records.view_place(self.name)]
        return tuple(images[i].name for i in geometry.sources)

    @cached_property
    def depth_passes(self) -> dict[str, DepthMap]:
        """The depth map after each pass, by its label, in order; the last one is the final one.

        Raises InputError ``no-view``.
        """
        place = self.records.view_place(self.name)
        return {
            label: self.records.ref(label, keys[place]).load()
            for label, keys in self.records.keys.items()
            if stage_of_pass(label) in _DEPTH_STAGES
        }

    @property
    def depth_map(self) -> DepthMap:
        """The final depth map, with normals and confidence. Raises InputError ``no-view``."""
        return self.records.results.depths[self.records.view_place(self.name)].load()

    @property
    def depth(self) -> NDArray[np.float32]:
        """Final depth, float32 [H, W], z in the camera of :attr:`view`, 0 = none. Raises InputError ``no-view``."""
        return self.depth_map.depth

    @property
    def normal(self) -> NDArray[np.float32]:
        """Final normals, float32 [H, W, 3], camera frame. Raises InputError ``no-view``."""
        return self.depth_map.normal_cam

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Final confidence, float32 [H, W] in [0, 1]. Raises InputError ``no-view``."""
        return self.depth_map.confidence

    def __repr__(self) -> str:
        photo = self.photo
        state = "registered" if self.registered else "left out" if photo.usable else "not usable"
        return f"PhotoResult({self.name}, {photo.width_px} x {photo.height_px} px, {state})"

    def _repr_html_(self) -> str:
        photo = self.photo
        rows: dict[str, object] = {"size": f"{photo.width_px} x {photo.height_px} px", "registered": self.registered}
        rows |= {problem.code: problem.message for problem in photo.problems}
        if photo.usable:
            rows["keypoints"] = f"{len(self.features.keypoints_px):,}"
        if self.registered:
            rows["sparse points"] = f"{len(self.observations[0]):,}"
            rows["camera"] = f"{self.camera.model}, focal length {self.K[0, 0]:.0f} px"
        return table_html(self.name, rows, thumbnail_uri(self.image))
