"""A finished reconstruction as a researcher holds it: files, facts, records, photographs by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

from e2e3d.config.deployment import load_settings
from e2e3d.config.run_config import Config
from e2e3d.data.dense import PointCloud, View
from e2e3d.data.features import Features
from e2e3d.data.judgement import Judgement
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.data.scene import Scene
from e2e3d.data.stats import StageStats
from e2e3d.errors import InputError, SettingsError
from e2e3d.inspection.added_tiles import add_tiles
from e2e3d.inspection.html_summary import model_uri, table_html
from e2e3d.inspection.pair_matches import PairMatches, pair_matches
from e2e3d.inspection.photo_graph import PhotoGraph, photo_graph
from e2e3d.inspection.photo_result import PhotoResult
from e2e3d.inspection.plot_accessor import Plots
from e2e3d.inspection.run_costs import Keep, UnitCost, prune, run_bytes, unit_costs
from e2e3d.inspection.run_records import RunRecords
from e2e3d.inspection.unit_rerun import rerun
from e2e3d.inspection.used_plugins import UsedPlugins
from e2e3d.outputs.datasets.write_dataset import Layout, write_dataset
from e2e3d.outputs.export import ExportedPaths, paths_of
from e2e3d.outputs.manifest import Manifest, read_manifest
from e2e3d.pipeline.plugins import Given
from e2e3d.pipeline.record_index import RecordIndex, read_index, results_of
from e2e3d.pipeline.workspace import PRIVATE_FOLDER, default_store, locked_folder
from e2e3d.runtime.record_table import RecordTable
from e2e3d.storage.store import ArtifactStore


@dataclass(frozen=True)
class Result(Mapping[str, PhotoResult]):
    """A finished reconstruction; records are loaded from the store when they are asked for.

    It is a mapping of its photographs by name: ``result["A.jpg"].depth``, ``for name in result``, ``len(result)``.

    Attributes:
        out: the folder of the run.
        inside: references to the results of every pass, and the store that they are in.
        exported: where the files are, and the manifest; None where nothing was exported.
    """

    out: Path
    inside: RunRecords
    exported: tuple[ExportedPaths, Manifest] | None = None

    @property
    def paths(self) -> ExportedPaths:
        """The files in the output folder. Raises InputError ``not-exported`` where there are none."""
        return self._export[0]

    @property
    def manifest(self) -> Manifest:
        """What was made, how, and at what cost. Raises InputError ``not-exported``."""
        return self._export[1]

    @property
    def records(self) -> Results:
        """References to the final results of every stage."""
        return self.inside.results

    @property
    def passes(self) -> Mapping[str, tuple[Ref[Any], ...]]:
        """References to the results of each pass, by its label: ``result.passes["refinement 1"][0].load()``."""
        return self.inside.passes

    @property
    def config(self) -> Config:
        """The settings of every stage."""
        return self.inside.config

    @property
    def judgement(self) -> Judgement:
        """What the model is worth: ``good``, or ``doubtful`` with the reasons. A failed run raises instead."""
        assert self.manifest.judgement is not None  # every finished run is judged
        return self.manifest.judgement

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the photographs that came in, in input order."""
        return tuple(photo.name for photo in self.records.photos)

    @property
    def photos(self) -> tuple[Photo, ...]:
        """What the checks found about each photograph, in input order."""
        return self.records.photos

    def photo(self, name: str) -> PhotoResult:
        """A photograph with all that was found out about it. Raises InputError ``unknown-photograph``."""
        self.inside.photo(name)
        return PhotoResult(name, self.inside)

    def features(self, name: str) -> Features:
        """Keypoints and descriptors of a photograph. Raises InputError."""
        return self.photo(name).features

    def matches(self, first: str, second: str, outliers: bool = False) -> PairMatches:
        """Matches of two photographs; see :func:`~e2e3d.inspection.pair_matches.pair_matches`."""
        return pair_matches(self.inside, first, second, outliers)

    def view(self, name: str) -> View:
        """The undistorted view of a photograph. Raises InputError ``no-view``."""
        return self.photo(name).view

    @property
    def scene(self) -> Scene:
        """Cameras, poses and sparse points."""
        return self.records.mapping.scene

    @cached_property
    def cloud(self) -> PointCloud:
        """The dense cloud."""
        return self.records.cloud.load()

    @cached_property
    def mesh(self) -> Mesh:
        """The surface."""
        return self.records.mesh.load()

    @cached_property
    def textured(self) -> TexturedMesh:
        """The surface with its texture atlas."""
        return self.records.textured.load()

    @property
    def plot(self) -> Plots:
        """What was found, as pictures: ``result.plot.matches("A.jpg", "B.jpg")``, ``result.plot.cloud()``."""
        return Plots(self.inside)

    def match_graph(self) -> PhotoGraph:
        """Which photographs were matched with which, and how often."""
        return photo_graph(self.inside)

    @overload
    def costs(self, units: Literal[False] = False) -> RecordTable[StageStats]: ...
    @overload
    def costs(self, units: Literal[True]) -> RecordTable[UnitCost]: ...
    def costs(self, units: bool = False) -> RecordTable[StageStats] | RecordTable[UnitCost]:
        """Cost of every pass, or of every unit: a tuple of records, shown as a table, with ``to_pandas()``."""
        return RecordTable(unit_costs(self.inside)) if units else RecordTable(self.manifest.stages)

    @overload
    def size(self, by: None = None) -> int: ...
    @overload
    def size(self, by: Literal["stage"]) -> dict[str, int]: ...
    def size(self, by: Literal["stage"] | None = None) -> int | dict[str, int]:
        """Bytes that the run takes in its store, photographs included; also by stage, largest first."""
        found = run_bytes(self.inside)
        return sum(found.values()) if by is None else found

    def prune(self, keep: Keep) -> int:
        """Remove what is not needed from the run's own store; returns how many bytes went.

        Args:
            keep: ``run`` = all that this run used: results of other settings go. ``result`` = only the photographs and
                the final records, which :func:`e2e3d.open` loads: other passes can't be looked at any more, and
                another run into the folder computes them again.

        Raises:
            SettingsError: ``shared-store`` when the store is not the run's own, ``bad-setting`` for another word.
            MachineError: ``output-in-use`` while a run writes into the folder.
        """
        if self.inside.store.url != default_store(self.out):
            raise SettingsError(
                "shared-store", f"The store {self.inside.store.url} may hold results of other runs.", "Keep it."
            )
        with locked_folder(self.out):
            return prune(self.inside, keep)

    def export(
        self, layout: Layout, folder: str | Path, undistorted: bool = True, max_size_px: int | None = None
    ) -> Path:
        """Write the registered photographs, cameras and sparse points as a data set of another program.

        Args:
            layout: ``nerfstudio``, ``gsplat``, ``colmap-text`` or ``openmvs``.
            folder: where to; a new or empty one, which is returned.
            undistorted: whether the pictures are resampled to pinhole images.
            max_size_px: longest side of an undistorted picture; None = that of the photograph.

        Raises:
            E2E3DError: as :func:`~e2e3d.outputs.datasets.write_dataset.write_dataset`.
        """
        return write_dataset(self.records, layout, Path(folder), undistorted, max_size_px)

    def write_tiles(self) -> tuple[Path, ...]:
        """Write the model as 3D Tiles and the cloud as COPC into the result folder; returns the files.

        Raises:
            InputError: ``not-exported`` where there is no result.
            MachineError: ``output-in-use`` while a run writes into the folder; when the disk is full.
        """
        return add_tiles(self.out, self.manifest, self.records)

    def rerun(
        self,
        stage: str,
        *,
        view: str | None = None,
        pair: tuple[str, str] | None = None,
        device: str = "cpu",
        stages: Mapping[str, Given] | None = None,
        **changes: object,
    ) -> Any:
        """Compute one unit again in this process with other settings; nothing is stored.

        Args:
            stage: ``features``, ``undistort``, ``depth``, ``refinement`` or ``consistency`` of a photograph,
                ``matching`` of two, ``mesh`` or ``texture``.
            view: the photograph.
            pair: the two photographs of ``matching``.
            device: ``cpu`` or ``cuda``.
            stages: of one's own, as for :func:`e2e3d.reconstruct`; None = those that the run has used.
            **changes: to the settings of the stage, such as ``window_radius_px=3``, or of the function of one's own.

        Returns:
            what the stage makes: Features, View, DepthMap, MatchBlock, Mesh or TexturedMesh.

        Raises:
            E2E3DError: as :func:`~e2e3d.inspection.unit_rerun.rerun`.
        """
        names = pair if pair is not None else () if view is None else (view,)
        return rerun(self.inside, stage, names, changes, device, stages)

    @property
    def _export(self) -> tuple[ExportedPaths, Manifest]:
        if self.exported is None:
            raise InputError(
                "not-exported", f"Nothing was exported into {self.out}.", "Run without export=False and until=."
            )
        return self.exported

    def __getitem__(self, name: str) -> PhotoResult:
        return self.photo(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __reduce__(self) -> tuple[Any, ...]:
        return open_result, (self.out.absolute(),)

    def __repr__(self) -> str:
        scene = self.scene
        verdict = "not exported" if self.exported is None else self.judgement.verdict
        registered = f"{len(scene.images)} of {len(self)} photographs"
        return f"Result({self.out}: {registered}, {len(scene.points_world):,} sparse points, {verdict})"

    def _repr_html_(self) -> str:
        scene = self.scene
        rows: dict[str, object] = {
            "photographs": f"{len(scene.images)} of {len(self)} in the model",
            "sparse points": f"{len(scene.points_world):,}",
            "frame": scene.frame,
        }
        if self.exported is None:
            return table_html(str(self.out), rows, None)
        counts = self.manifest.counts
        rows |= {
            "reprojection error": f"{counts.mean_error_px:.2f} px",
            "dense points": f"{counts.dense_points:,}",
            "faces": f"{counts.faces:,}",
            "quality": self.manifest.quality,
            "judgement": self.judgement.verdict,
            "cost": f"{sum(stage.cpu_s for stage in self.manifest.stages):.0f} CPU s",
        }
        return table_html(str(self.out), rows, self._picture)

    @cached_property
    def _picture(self) -> str:
        return model_uri(self.scene, self.textured)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.names)


def open_result(out: Path) -> Result:
    """A finished run; see :func:`e2e3d.open`."""
    manifest = read_manifest(out)
    index = read_index(out / PRIVATE_FOLDER)
    store = ArtifactStore(index.store or default_store(out), load_settings().s3_options)
    config = Config.from_settings(manifest.quality, manifest.settings)
    used = UsedPlugins(manifest.settings.get("stages", {}))
    inside = records_of(index, store, results_of(index, store.get), config, used)
    return Result(out, inside, (paths_of(out, manifest), manifest))


def records_of(
    index: RecordIndex, store: ArtifactStore, results: Results, config: Config, plugins: UsedPlugins
) -> RunRecords:
    """The records that an index names, in their store."""
    return RunRecords(results, store, dict(index.passes), config, plugins)
