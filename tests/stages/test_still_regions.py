"""The stage hands keypoints, sizes and matches of a whole set to the search for what stands still."""

import numpy as np

from e2e3d.data.ref import Ref
from e2e3d.stages.stage import RunContext
from e2e3d.stages.still_regions import STAGE, StillRegionsConfig, StillRegionsInputs
from tests.ops.matching.test_still_keypoints import before_background
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, match_all


def test_the_background_of_a_set_stands_still() -> None:
    scene = before_background()
    sizes_px = ((WIDTH, HEIGHT),) * len(scene.photos)
    inputs = StillRegionsInputs(scene.feature_refs(), sizes_px, (Ref.of(match_all(scene)),))
    regions = STAGE.run(inputs, StillRegionsConfig(), RunContext())
    assert regions.found
    assert len(regions.masks) == len(scene.photos)
    for mask in regions.masks:
        assert mask.shape == (30, 40)
        assert mask[0].all()  # the top of the picture is background
        assert not mask[13:17, 18:22].any()  # and its middle the subject
        assert np.issubdtype(mask.dtype, np.bool_)
