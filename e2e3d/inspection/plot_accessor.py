"""``result.plot``: what a run found, as pictures and interactive views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from e2e3d.data.dense import DepthMap
from e2e3d.errors import SettingsError
from e2e3d.inspection import flat_plots, scene_plots
from e2e3d.inspection.pair_matches import pair_matches
from e2e3d.inspection.photo_graph import photo_graph
from e2e3d.inspection.photo_result import PhotoResult
from e2e3d.inspection.run_records import RunRecords
from e2e3d.inspection.scene_plots import CloudColor

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from plotly.graph_objects import Figure as Interactive


@dataclass(frozen=True)
class Plots:
    """Pictures of a run. Each method returns a figure, which a notebook shows: of matplotlib, or of plotly in 3D.

    All of them raise MachineError ``missing-package`` where the extra ``e2e3d[notebooks]`` is not installed,
    and InputError as the records do that they show.
    """

    records: RunRecords

    def keypoints(self, name: str) -> Figure:
        """A photograph with its keypoints, as circles of their scale with their orientation."""
        photo = self._photo(name)
        points = photo.features.keypoints_px
        return flat_plots.keypoints_figure(photo.image, points, f"{name}: {len(points):,} keypoints")

    def matches(self, first: str, second: str, outliers: bool = False, limit: int = 300) -> Figure:
        """Two photographs with lines between their matches, green verified and red rejected, `limit` of each kind."""
        found = pair_matches(self.records, first, second, outliers)
        return flat_plots.matches_figure(self._photo(first).image, self._photo(second).image, found, limit)

    def match_graph(self) -> Figure:
        """How many verified matches every two photographs have."""
        return flat_plots.match_graph_figure(photo_graph(self.records))

    def depth(self, name: str, every_pass: bool = False) -> Figure:
        """Depth of a view: the final one, or after every pass."""
        return flat_plots.depth_figure(self._maps(name, every_pass))

    def normals(self, name: str, every_pass: bool = False) -> Figure:
        """Normals of a view as colours."""
        return flat_plots.normals_figure(self._maps(name, every_pass))

    def confidence(self, name: str, every_pass: bool = False) -> Figure:
        """Confidence of the depth of a view."""
        return flat_plots.confidence_figure(self._maps(name, every_pass))

    def atlas(self, page: int = 0) -> Figure:
        """A page of the texture."""
        pages = self.records.results.textured.load().pages
        if not 0 <= page < len(pages):
            raise SettingsError("bad-setting", f"There is no page {page}.", f"The texture has {len(pages)}.")
        return flat_plots.picture_figure(pages[page], f"page {page + 1} of {len(pages)}")

    def cameras(self, limit: int = 30_000) -> Interactive:
        """Cameras and sparse points, to be turned."""
        return scene_plots.cameras_figure(self.records.results.mapping.scene, limit)

    def cloud(self, color: CloudColor = "photo", limit: int = 100_000) -> Interactive:
        """The dense cloud, coloured by ``photo``, ``confidence``, ``views`` (how many agree) or ``normal``."""
        if color not in get_args(CloudColor):
            choices = ", ".join(get_args(CloudColor))
            raise SettingsError("bad-setting", f"color is {color}.", f"It must be one of {choices}.")
        results = self.records.results
        return scene_plots.cloud_figure(results.cloud.load(), results.mapping.scene, color, limit)

    def mesh(self) -> Interactive:
        """The surface, to be turned."""
        return scene_plots.mesh_figure(self.records.results.mesh.load(), self.records.results.mapping.scene)

    def _photo(self, name: str) -> PhotoResult:
        self.records.photo(name)
        return PhotoResult(name, self.records)

    def _maps(self, name: str, every_pass: bool) -> list[tuple[str, DepthMap]]:
        photo = self._photo(name)
        return list(photo.depth_passes.items()) if every_pass else [(name, photo.depth_map)]
