"""What the calibrated cameras say about the photographs: several lenses behind one, and cropped pictures."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Remark, Scene, SceneImage
from e2e3d.ops.evaluation.camera_signs import focal_length_px, principal_shift
from e2e3d.ops.sfm.lens_groups import determined_cameras

_LISTED = 6  # lenses
_MISSTATED = 1.5  # factor between a focal length and the one that EXIF states
_CROPPED = 0.05  # offset of the principal point over the longer side; lenses sit within 0.02 of the middle


def lens_remarks(scene: Scene, photos: Sequence[Photo], from_matches: bool, focal_held: bool) -> tuple[Remark, ...]:
    """Notes on the cameras of `scene`.

    Args:
        scene: the calibrated cameras.
        photos: with what was thought of their cameras.
        from_matches: whether the matches show other lenses than the files say.
        focal_held: whether a focal length was held at the known one.
    """
    if any(photo.camera is not None and photo.camera.intrinsics_px is not None for photo in photos):
        return ()
    lenses = _photographs_by_lens(scene)
    notes = []
    if from_matches and len(lenses) > _LISTED:
        message = "Nearly every photograph has a focal length of its own: they were zoomed, or cropped and resized."
        notes.append(Remark("lens", message, tuple(image.name for image in scene.images)))
    elif from_matches and len(lenses) > 1:
        notes += [_lens_note(number, len(lenses), *lens) for number, lens in enumerate(lenses.items(), 1)]
    if focal_held:
        message = (
            "The photographs do not determine the focal length, as when all look straight at flat ground. It was held "
            "at what the files say. Photographs that look at the subject from the side would tell it."
        )
        notes.append(Remark("focal-held", message, tuple(image.name for image in scene.images)))
    misstated = _misstated(scene, photos)
    if misstated:
        message = (
            "EXIF states another focal length than the matches tell, which is far off: the picture was cropped, "
            "converted or edited. That of the matches was used."
        )
        notes.append(Remark("focal-misstated", message, misstated))
    cropped = tuple(image.name for image in scene.images if principal_shift(scene.camera_of(image)) > _CROPPED)
    if cropped:
        message = (
            "The optical axis is far from the middle of the picture: it looks cropped. The place of the axis was "
            "estimated; whole pictures, as they came out of the camera, give a better model."
        )
        notes.append(Remark("cropped", message, cropped))
    return tuple(notes)


def _photographs_by_lens(scene: Scene) -> dict[float, tuple[str, ...]]:
    """Names by focal length in pixels, which the photographs of a lens share exactly even where they are cropped."""
    lenses: dict[float, tuple[str, ...]] = {}
    for image in scene.images:
        focal_px = scene.camera_of(image).params[0]
        lenses[focal_px] = (*lenses.get(focal_px, ()), image.name)
    return dict(sorted(lenses.items()))


def _misstated(scene: Scene, photos: Sequence[Photo]) -> tuple[str, ...]:
    """Names of the photographs whose EXIF is far from a focal length that the matches leave no doubt about."""
    far = [image for image in scene.images if exif_factor(scene, image, photos[image.photo_index]) > _MISSTATED]
    determined = determined_cameras(scene, photos) if far else frozenset()
    return tuple(image.name for image in far if image.camera_id in determined)


def exif_factor(scene: Scene, image: SceneImage, photo: Photo) -> float:
    """Factor between the focal length of an image and the one that EXIF states, at least 1; 1 where it states none."""
    if photo.camera is None or photo.camera.focal_source != "exif":
        return 1.0
    ratio = focal_length_px(scene.camera_of(image)) / photo.camera.focal_px
    return max(ratio, 1 / ratio)


def _lens_note(number: int, count: int, focal_px: float, names: tuple[str, ...]) -> Remark:
    message = (
        f"Lens {number} of {count}, focal length {focal_px:.0f} pixels: told apart by the matches, since photographs "
        "were zoomed, resized or taken through different lenses."
    )
    return Remark("lens", message, names)
