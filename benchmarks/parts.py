"""What mapping in parts costs beside a joint mapping, and how far off the cameras are: made-up photographs of a ring.

    python -m benchmarks.parts [PHOTOGRAPHS]

A closed ring of photographs (180) outwards to a wall 3 to 6 metres away, with exact poses, known intrinsics and
keypoints that are off by 0.3 pixels. Printed are CPU seconds of every unit and the largest error of a viewpoint.
"""

from __future__ import annotations

import sys
import time

from e2e3d.config.mapping import MappingConfig
from e2e3d.data.features import MatchBlock
from e2e3d.data.photo_parts import PartModels
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.stages import mapping, mapping_parts
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import SyntheticSet, match_by_points, pose_errors, ring_set

_RADIUS_M = 6 / 48  # for each photograph: neighbours are 0.8 metres apart
_POINTS = 100
CONFIG = MappingConfig()


def map_parts(ring: SyntheticSet, block: Ref[MatchBlock]) -> tuple[Ref[PartModels], ...]:
    """The models of the parts; prints what each took."""
    features, found = ring.feature_refs(), []
    plan = mapping_parts.run_parts(mapping_parts.PartsInputs(len(ring.photos), (block,)), CONFIG, RunContext())
    for part in plan.parts:
        members = tuple(part.photos.tolist())
        photos, own = tuple(ring.photos[i] for i in members), tuple(features[i] for i in members)
        started_s = time.process_time()
        inputs = mapping_parts.PartInputs(members, photos, own, (block,))
        found.append(Ref.of(mapping_parts.run(inputs, CONFIG, RunContext())))
        print(f"a part of {len(members)} photographs: {time.process_time() - started_s:.1f} CPU s", flush=True)
    return tuple(found)


def map_whole(ring: SyntheticSet, block: Ref[MatchBlock], parts: tuple[Ref[PartModels], ...], name: str) -> Mapping:
    """The cameras of all; prints what they took, and their errors."""
    started_s = time.process_time()
    inputs = mapping.MappingInputs(ring.photos, ring.feature_refs(), (block,), parts=parts)
    result = mapping.run(inputs, CONFIG, RunContext())
    cpu_s = time.process_time() - started_s
    poses = {image.photo_index: image.cam_from_world for image in result.scene.images}
    distance_m, angle_deg = pose_errors(poses, ring.poses)
    print(
        f"{name}: {cpu_s:.1f} CPU s, {len(poses)} of {len(ring.photos)} photographs, {len(result.scene.points_world)} "
        f"points, off by {1000 * distance_m:.1f} mm and {angle_deg:.3f} degrees at most",
        flush=True,
    )
    return result


def main() -> None:
    """Map a ring both ways."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 180
    ring = ring_set(count, radius_m=_RADIUS_M * count, points_a_photo=_POINTS)
    block = Ref.of(match_by_points(ring, min_common=20))
    map_whole(ring, block, (), "jointly")
    map_whole(ring, block, map_parts(ring, block), "joined")


if __name__ == "__main__":
    main()
