import pytest

from e2e3d.errors import InputError
from e2e3d.pipeline.sources.mask_files import match_masks


@pytest.mark.parametrize("mask", ["IMG_1.png", "IMG_1.JPG.png", "img_1.PNG", "IMG_1_mask.png", "IMG_1.mask.png"])
def test_ways_to_name_a_mask(mask):
    assert match_masks(["IMG_1.JPG"], [mask]) == {"IMG_1.JPG": mask}


def test_folders_keep_equal_names_apart():
    photos = ["a/1.jpg", "b/1.jpg"]
    assert match_masks(photos, ["a/1.png", "b/1.png"]) == {"a/1.jpg": "a/1.png", "b/1.jpg": "b/1.png"}
    with pytest.raises(InputError):
        match_masks(photos, ["1.png"])
    assert match_masks(["images/1.jpg"], ["1.png"]) == {"images/1.jpg": "1.png"}


def test_masks_for_some_and_masks_to_spare_are_fine():
    assert match_masks(["1.jpg", "2.jpg"], ["1.png"]) == {"1.jpg": "1.png"}
    assert match_masks(["1.jpg"], ["1.png", "2.png"]) == {"1.jpg": "1.png"}
    assert match_masks(["1.jpg"], []) == {}


@pytest.mark.parametrize("masks", [["a.png", "b.png"], ["1.png", "b.png"]])
def test_names_that_do_not_fit_are_shown(masks):
    with pytest.raises(InputError) as caught:
        match_masks(["1.jpg", "2.jpg"], masks)
    assert caught.value.code == "mask-names"
    assert "2.jpg" in caught.value.message
    assert "b.png" in caught.value.message
