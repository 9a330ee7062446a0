"""A sound run is good; one whose cameras or surface are wrong is doubtful, for the reasons that its signs give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.data.agreement import PhotoAgreement
from e2e3d.data.judgement import Judgement, JudgementSigns
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.data.scene import Georeference, Remark
from e2e3d.ops.evaluation.weigh_signs import weigh
from e2e3d.ops.geo.georeferencing import spread_of
from e2e3d.ops.poses import camera_centres
from e2e3d.outputs.evaluation.model_judgement import judge_run, measure_signs
from e2e3d.outputs.export import export_results
from e2e3d.outputs.manifest import read_manifest
from e2e3d.outputs.summary import summary
from tests.synthetic import facts, sample_results


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


def turned(results: Results, angle_deg: float) -> Results:
    """The same run with every second camera turned about its own axis of view's vertical."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    scene = results.mapping.scene
    poses = [turn @ image.cam_from_world if i % 2 else image.cam_from_world for i, image in enumerate(scene.images)]
    images = tuple(replace(image, cam_from_world=pose) for image, pose in zip(scene.images, poses, strict=True))
    views = tuple(
        Ref.of(replace(ref.load(), cam_from_world=pose)) for ref, pose in zip(results.views, poses, strict=True)
    )
    return replace(results, mapped=Ref.of(replace(results.mapping, scene=replace(scene, images=images))), views=views)


def test_signs_of_an_exact_run(results: Results) -> None:
    signs = measure_signs(results, results.textured.load())
    assert (signs.photographs, signs.registered, signs.other_component) == (7, 5, 2)
    assert signs.agreeing_matches == pytest.approx(1, abs=0.001)
    assert (signs.disagreeing_pairs, signs.disagreeing_photographs) == (0, ())
    assert signs.focal_ratio == pytest.approx(1)
    assert signs.cross_view_ncc is not None
    assert signs.cross_view_ncc > 0.75


def test_cameras_alone_are_judged_by_the_same_signs(results: Results) -> None:
    of_surface = dict.fromkeys(("rephotography_ncc", "cross_view_ncc", "points_on_surface"))
    assert measure_signs(results, None) == replace(measure_signs(results, results.textured.load()), **of_surface)


def test_an_exact_run_is_good(results: Results) -> None:
    assert judge_run(results, results.textured.load()).verdict == "good"


def test_turned_cameras_are_found_by_matches_and_by_photographs(results: Results) -> None:
    judgement = judge_run(turned(results, 4), results.textured.load())
    codes = {reason.code for reason in judgement.reasons}
    assert judgement.verdict == "doubtful"
    assert {"pairs-disagree", "photographs-disagree"} <= codes
    assert all(reason.message and reason.action for reason in judgement.reasons)


def test_the_photographs_that_disagree_are_named(results: Results) -> None:
    scene = results.mapping.scene
    wrong = replace(scene.images[2], cam_from_world=scene.images[2].cam_from_world[[1, 0, 2]] * [[-1], [1], [1]])
    images = (*scene.images[:2], wrong, *scene.images[3:])
    broken = replace(results, mapped=Ref.of(replace(results.mapping, scene=replace(scene, images=images))))
    judgement = judge_run(broken, results.textured.load())
    (reason,) = [reason for reason in judgement.reasons if reason.code == "photographs-contradict"]
    assert "IMG_0002.jpg" in reason.message
    assert "IMG_0000.jpg" not in reason.message


def test_a_half_that_lies_on_the_other_is_named_by_what_it_lacks(results: Results) -> None:
    name = results.mapping.scene.images[2].name
    folded = PhotoAgreement(2, name, 400, 0.97, 300, 0.1, contradicts=True)
    broken = replace(results, mapped=Ref.of(replace(results.mapping, agreement=(folded,))))
    (reason,) = judge_run(broken, results.textured.load()).reasons
    assert reason.code == "photographs-contradict"
    assert f"{name} lie among the others" in reason.message
    assert "Mirrored" in reason.action


@pytest.mark.parametrize(("heights_known", "ratio"), [(True, 33.0), (False, 0.1)])
def test_heights_that_were_not_believed_do_not_count(results: Results, heights_known: bool, ratio: float) -> None:
    scene = results.mapping.scene
    reference = Georeference((0, 0, 0), 32631, (0, 0, 0), 33.0, 0.1, 33.0, heights_known=heights_known)
    placed = replace(results, mapped=Ref.of(replace(results.mapping, scene=replace(scene, georeference=reference))))
    spread = spread_of(camera_centres(scene))[0]
    assert measure_signs(placed, results.textured.load()).gps_error_ratio == pytest.approx(ratio / spread)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"registered": 5}, "few-registered"),
        ({"other_component": 6}, "separate-parts"),
        ({"view_elevation_deg": 88.0}, "looks-at-the-sky"),
        ({"focal_ratio": 2.5}, "focal-differs"),
        ({"gps_error_ratio": 0.5}, "gps-disagrees"),
        ({"distortion": 1.0}, "lens-distortion"),
    ],
)
def test_every_fault_has_its_reason(changes: dict[str, float], code: str) -> None:
    sound = JudgementSigns(photographs=10, registered=10)
    assert weigh(sound).verdict == "good"
    assert [reason.code for reason in weigh(replace(sound, **changes)).reasons] == [code]


def test_the_judgement_stands_in_manifest_summary_and_report(results: Results, tmp_path: Path) -> None:
    export_results(tmp_path, turned(results, 4), facts())
    manifest = read_manifest(tmp_path)
    judgement = manifest.judgement
    assert isinstance(judgement, Judgement)
    assert judgement.verdict == "doubtful"
    assert judgement.signs is not None
    text, report = summary(manifest), (tmp_path / "report.html").read_text()
    assert "judgement    doubtful" in text
    assert "This model is doubtful" in report
    for reason in judgement.reasons:
        assert reason.message in text
        assert reason.code in text


def test_a_shifted_centre_is_no_surprise_in_a_cropped_picture(results: Results) -> None:
    mapping = results.mapping
    (camera,) = mapping.scene.cameras
    first = 2 if camera.model in ("PINHOLE", "OPENCV") else 1
    shifted = list(camera.params)
    shifted[first] += 0.2 * max(camera.width_px, camera.height_px)
    scene = replace(mapping.scene, cameras=(replace(camera, params=tuple(shifted)),))
    names = tuple(image.name for image in scene.images)

    def shift(notes: tuple[Remark, ...]) -> float | None:
        broken = replace(results, mapped=Ref.of(replace(mapping, scene=scene, lens_notes=notes)))
        return measure_signs(broken, results.textured.load()).principal_shift

    assert shift(()) == pytest.approx(0.2)
    assert shift((Remark("cropped", "The picture looks cropped.", names),)) == 0
