import dataclasses

import pytest

from e2e3d.data.photo import CameraGuess, Photo, PhotoProblem
from e2e3d.errors import InputError
from e2e3d.ops.photos.set_review import differently_exposed, review_photos


def photo(number: int, **changes) -> Photo:
    """A good photograph; thumbprints of different numbers are far apart."""
    thumbprint = f"{(number * 0x9E3779B97F4A7C15) % 2**64:016x}"
    made = Photo(
        name=f"{number}.jpg",
        sha256=f"{number:064x}",
        width_px=3000,
        height_px=2000,
        camera=CameraGuess("camera", 3000.0, "exif"),
        sharpness=100.0,
        exposure=0.5,
        thumbprint=thumbprint,
    )
    return dataclasses.replace(made, **changes)


def broken(number: int) -> Photo:
    problem = PhotoProblem("photo-unreadable", "The picture cannot be decoded.", fatal=True)
    return photo(number, camera=None, thumbprint="", problems=(problem,))


def codes(reviewed):
    return [[(problem.code, problem.fatal) for problem in photo.problems] for photo in reviewed]


def test_good_photographs_pass_unchanged():
    photos = [photo(number) for number in range(1, 6)]
    assert review_photos(photos) == tuple(photos)


def test_the_first_of_exact_duplicates_stays():
    photos = [photo(1), photo(2), photo(1, name="copy.jpg"), photo(3)]
    reviewed = review_photos(photos)
    assert [[code for code, _ in problems] for problems in codes(reviewed)] == [[], [], ["duplicate"], []]
    assert not reviewed[2].usable
    assert "1.jpg" in reviewed[2].problems[0].message


def test_near_duplicates_are_a_warning():
    twin = photo(9, thumbprint=f"{int(photo(2).thumbprint, 16) ^ 0b11:016x}")
    cousin = photo(8, thumbprint=f"{int(photo(2).thumbprint, 16) ^ 0b111:016x}")
    reviewed = review_photos([photo(1), photo(2), twin, broken(4), cousin])
    assert codes(reviewed)[2] == [("near-duplicate", False)]
    assert "2.jpg" in reviewed[2].problems[0].message
    assert codes(reviewed)[1] == codes(reviewed)[0] == []
    assert codes(reviewed)[3] == [("photo-unreadable", True)]


def test_blur_is_relative_to_the_set():
    reviewed = review_photos([photo(1), photo(2), photo(3, sharpness=10.0), photo(4, sharpness=0.5), photo(5)])
    assert codes(reviewed) == [[], [], [("blurred", False)], [("blurred", True)], []]
    assert "10%" in reviewed[2].problems[0].message
    soft = [dataclasses.replace(photo(number), sharpness=0.5) for number in range(1, 5)]
    assert codes(review_photos(soft)) == [[], [], [], []]


@pytest.mark.parametrize(("usable", "word"), [(0, "None"), (1, "Only one"), (2, "Only two")])
def test_too_few(usable, word):
    photos = [photo(number) for number in range(1, usable + 1)] + [broken(90), broken(91)]
    with pytest.raises(InputError) as caught:
        review_photos(photos)
    assert caught.value.code == "too-few-photographs"
    assert caught.value.message.startswith(f"{word} of {usable + 2}")
    assert "90.jpg, 91.jpg: The picture cannot be decoded." in caught.value.message


def test_none_at_all():
    with pytest.raises(InputError) as caught:
        review_photos([])
    assert caught.value.code == "no-photographs"


def test_all_identical():
    copies = [photo(1, name=f"{number}.jpg") for number in range(4)]
    encoded_again = [photo(n, thumbprint=f"{int(photo(1).thumbprint, 16) ^ (n % 3):016x}") for n in range(1, 6)]
    for photos in (copies, encoded_again):
        with pytest.raises(InputError) as caught:
            review_photos(photos)
        assert caught.value.code == "identical-photographs"


def with_intrinsics(number: int, cx: float, cy: float, **changes) -> Photo:
    return photo(number, camera=CameraGuess("K", 3000.0, "intrinsics", (3000.0, 3000.0, cx, cy)), **changes)


def test_intrinsics_of_the_same_size_pass():
    for centre in ((1520.7, 1006.8), (1480.0, 1120.0), (1590.0, 1000.0)):
        assert len(review_photos([with_intrinsics(number, *centre) for number in range(1, 4)])) == 3


@pytest.mark.parametrize(
    "centre", [(750.0, 500.0), (3000.0, 2000.0), (1000.0, 1500.0), (1875.0, 1250.0), (1575.0, 1050.0)]
)
def test_intrinsics_of_another_size_are_refused(centre):
    with pytest.raises(InputError) as caught:
        review_photos([with_intrinsics(number, *centre) for number in range(1, 4)])
    assert caught.value.code == "intrinsics-size"
    assert f"{2 * centre[0]:.0f} x {2 * centre[1]:.0f}" in caught.value.message
    assert "3000 x 2000" in caught.value.message


def test_intrinsics_that_fit_only_some_photographs_are_refused():
    photos = [with_intrinsics(1, 1500, 1000), with_intrinsics(2, 1500, 1000, width_px=2000, height_px=3000)]
    with pytest.raises(InputError, match="has 2000 x 3000"):
        review_photos(photos)


def test_large_sets_are_reviewed_quickly():
    assert len(review_photos([photo(number) for number in range(1, 2000)])) == 1999


def test_photographs_of_a_camera_have_the_white_of_its_brightest():
    other = CameraGuess("another", 3000.0, "exif")
    deep = [photo(1, white_level=4095), photo(2, white_level=1023), photo(3, white_level=65535, camera=other), photo(4)]
    reviewed = review_photos(deep)
    assert [one.white_level for one in reviewed] == [4095, 4095, 65535, None]
    assert reviewed[1].exposure == pytest.approx(0.5 * 1023 / 4095)
    assert [one.exposure for one in reviewed[2:]] == [0.5, 0.5]


def test_an_exposure_bracket_is_no_duplicate_and_its_dark_frame_not_blurred():
    """Three stops of one view: the same picture in the hash, each frame brighter, the dark one of less contrast."""
    views = [
        photo(3 * view + frame, thumbprint=photo(view).thumbprint, exposure=exposure, sharpness=sharpness)
        for view in range(1, 4)
        for frame, (exposure, sharpness) in enumerate([(0.19, 14.0), (0.35, 48.0), (0.61, 130.0)])
    ]
    assert all(not one.problems for one in review_photos(views))
    again = review_photos([*views, dataclasses.replace(views[1], name="again.jpg", sha256="1" * 64)])
    assert codes(again)[-1] == [("near-duplicate", False)]


@pytest.mark.parametrize(
    ("first", "second", "bracket"),
    [(0.4, 0.4, False), (0.4, 0.405, False), (0.4, 0.448, True), (0.9, 0.93, True), (0.03, 0.04, False)],
)
def test_brackets_differ_by_a_third_of_a_stop_and_more(first, second, bracket):
    assert differently_exposed(first, second) is bracket
    assert differently_exposed(second, first) is bracket
