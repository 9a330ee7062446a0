from pathlib import Path

import numpy as np

from e2e3d.data.judgement import Judgement
from e2e3d.data.photo import CameraGuess, Photo
from e2e3d.data.scene import Camera, Mapping, Scene, SceneImage
from e2e3d.ops.sfm.lens_remarks import lens_remarks
from e2e3d.outputs.manifest import MANIFEST_NAME, Counts, Manifest, read_manifest
from e2e3d.outputs.photo_states import photo_states
from e2e3d.outputs.report.verdict import describe
from e2e3d.outputs.summary import summary

NAMES = tuple(f"{i}.jpg" for i in range(5))
PHOTOS = tuple(Photo(name, "0" * 64, 320, 240, CameraGuess("one", 384.0, "guess")) for name in NAMES)
WIDE = Camera(1, "SIMPLE_RADIAL", 320, 240, (300.0, 161.0, 120.0, 0.0))
ZOOMED_AND_CROPPED = Camera(2, "RADIAL", 320, 240, (480.0, 160.0, 160.0, 0.0, 0.0))
SCENE = Scene(
    cameras=(WIDE, ZOOMED_AND_CROPPED),
    images=tuple(SceneImage(name, i, 1 if i < 3 else 2, np.eye(3, 4)) for i, name in enumerate(NAMES)),
    points_world=np.zeros((0, 3)),
    colors=np.zeros((0, 3), np.uint8),
    errors_px=np.zeros(0, np.float32),
    observation_image=np.zeros(0, np.int32),
    observation_point=np.zeros(0, np.int32),
    observation_px=np.zeros((0, 2), np.float32),
)


def test_photographs_manifest_report_and_info_say_which_lens_took_what(tmp_path: Path) -> None:
    notes = lens_remarks(SCENE, PHOTOS, from_matches=True, focal_held=False)
    assert [(note.code, note.photographs) for note in notes] == [
        ("lens", NAMES[:3]),
        ("lens", NAMES[3:]),
        ("cropped", NAMES[3:]),
    ]
    assert "focal length 480 pixels" in notes[1].message

    mapping = Mapping(SCENE, (), (5,), notes)
    states = photo_states(PHOTOS, mapping)
    assert states[0].remarks == (notes[0].message,)
    assert states[3].remarks == (notes[1].message, notes[2].message)
    assert any(notes[2].message in sentence for sentence in describe(mapping, states, 0.9, Judgement("good")).details)
    counts = Counts(5, 5, 0, 0.0, 0, 0, 0)
    manifest = Manifest("low", {}, {}, "", 1.0, counts, "upright", "arbitrary", None, (5,), (), states, (), notes)
    (tmp_path / MANIFEST_NAME).write_bytes(manifest.to_json())
    assert read_manifest(tmp_path).remarks == notes
    assert "focal length 300 pixels" in summary(manifest)


def test_one_lens_in_the_middle_needs_no_note_but_a_held_focal_length_does() -> None:
    scene = Scene(**{**vars(SCENE), "images": SCENE.images[:3]})
    assert lens_remarks(scene, PHOTOS, from_matches=True, focal_held=False) == ()
    (note,) = lens_remarks(scene, PHOTOS, from_matches=False, focal_held=True)
    assert (note.code, note.photographs) == ("focal-held", NAMES[:3])
