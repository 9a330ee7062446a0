"""Photographs that are left out, and where they are in the frame of a model that never saw them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest

from e2e3d.config.run_options import parse_leave_out
from e2e3d.errors import InputError, SettingsError
from e2e3d.outputs.evaluation.evaluate import evaluate, rephotography_score
from e2e3d.outputs.evaluation.held_out import held_out_views
from e2e3d.outputs.evaluation.references import read_model
from e2e3d.outputs.export import export_results
from e2e3d.pipeline.sources.leave_out import leave_out
from e2e3d.pipeline.sources.source_set import SourceFile, SourceSet
from tests.synthetic import facts, sample_results

FILES = SourceSet(tuple(SourceFile(f"{folder}/{i}.jpg", f"{folder}{i}") for folder in "ab" for i in range(5)))
LEFT_OUT = ("IMG_0001.jpg", "IMG_0003.jpg")


def names(files: SourceSet) -> list[str]:
    return [file.name for file in files.files]


def test_every_nth_photograph_is_left_out() -> None:
    kept = names(leave_out(FILES, parse_leave_out("4")))
    assert len(kept) == 8
    assert not {"a/3.jpg", "b/2.jpg"} & set(kept)
    assert leave_out(FILES, None) is FILES


def test_photographs_are_left_out_by_name() -> None:
    assert "a/3.jpg" not in names(leave_out(FILES, parse_leave_out("a/3.jpg, b/0.jpg")))
    assert len(names(leave_out(FILES, parse_leave_out("3.jpg")))) == 8  # in both folders
    with pytest.raises(InputError, match=r"no photograph 7\.jpg"):
        leave_out(FILES, ("3.jpg", "7.jpg"))


@pytest.mark.parametrize("text", ["", " , ", "1", "0", "3,4"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_leave_out(text)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result made from three of five photographs; beside it, all photographs and the model of all five."""
    results = sample_results()
    folder = tmp_path_factory.mktemp("held_out")
    export_results(folder / "out", results, facts())
    shutil.move(folder / "out" / "sparse", folder / "all")
    (folder / "photos").mkdir()
    for photo, file in zip(results.photos, results.photo_files, strict=True):
        (folder / "photos" / photo.name).write_bytes(file.load())
    model = pycolmap.Reconstruction(str(folder / "all"))
    for image in list(model.images.values()):
        if image.name in LEFT_OUT:
            model.deregister_frame(image.frame_id)
    (folder / "out" / "sparse").mkdir()
    model.write(str(folder / "out" / "sparse"))
    return folder / "out"


def write_reference(folder: Path, model: Path) -> Path:
    """The cameras of `model` in another world (turned, moved, three times as large), as JSON with K."""
    rotation = cv2.Rodrigues(np.array([0.3, -0.8, 0.5]))[0]
    document = {}
    for name, (camera, pose) in read_model(model).items():
        turned = pose[:, :3] @ rotation.T
        moved = 3.0 * pose[:, 3] - turned @ np.array([5.0, -2.0, 1.0])
        fx, fy, cx, cy = camera.params[:4]
        calibration = [[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]]
        document[name] = {"R": turned.tolist(), "t": moved.tolist(), "K": calibration, "dist": [0, 0, 0, 0]}
    file = folder / "cameras.json"
    file.write_text(json.dumps({"cameras": document}))
    return file


def test_left_out_views_are_found_in_the_frame_of_the_model(out: Path, tmp_path: Path) -> None:
    truth = read_model(out.parent / "all")
    views = held_out_views(out / "sparse", write_reference(tmp_path, out.parent / "all"), out.parent / "photos")
    assert tuple(views) == LEFT_OUT
    for name, (camera, pose) in views.items():
        assert np.abs(pose - truth[name][1]).max() < 1e-9
        assert (camera.width_px, camera.height_px) == (truth[name][0].width_px, truth[name][0].height_px)
        assert np.allclose(camera.params[:4], truth[name][0].params[:4])


def test_the_evaluation_scores_used_and_left_out_views_apart(out: Path, tmp_path: Path) -> None:
    photos, reference = out.parent / "photos", write_reference(tmp_path, out.parent / "all")
    evaluation = evaluate(out, cameras=reference, photos=photos, held_out=True)
    assert evaluation.rephotography is not None
    assert evaluation.held_out is not None
    assert (evaluation.rephotography.views, evaluation.held_out.views) == (3, 2)
    exact = {name: view for name, view in read_model(out.parent / "all").items() if name in LEFT_OUT}
    known = rephotography_score(out / "model.glb", exact, photos)
    assert evaluation.held_out.score == pytest.approx(known.score, abs=1e-3)
    assert "held_out" in json.loads(evaluation.to_json())
    assert "held out" in evaluation.to_table()


def test_what_cannot_be_scored_says_so(out: Path) -> None:
    with pytest.raises(SettingsError, match="--cameras"):
        evaluate(out, photos=out.parent / "photos", held_out=True)
    with pytest.raises(InputError, match="is part of the model"):
        held_out_views(out.parent / "all", out.parent / "all", out.parent / "photos")
