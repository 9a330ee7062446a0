import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from e2e3d.data.photo import GpsPosition
from e2e3d.ops.geo import georeferencing
from e2e3d.ops.geo.geodesy import wgs84_from_local

seeds = st.integers(0, 10**6)


def random_similarity(random: np.random.Generator) -> georeferencing.Similarity:
    rotation = Rotation.random(rng=random).as_matrix()
    return georeferencing.Similarity(float(np.exp(random.uniform(-3, 3))), rotation, random.normal(0, 100, 3))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_a_random_similarity_is_recovered(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, points = random_similarity(random), random.normal(0, 1, (8, 3))
    found = georeferencing.fit_similarity(points, truth.apply(points))
    np.testing.assert_allclose(found.scale, truth.scale, rtol=1e-9)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-8)
    np.testing.assert_allclose(found.translation, truth.translation, atol=1e-7 * (1 + truth.scale))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_outliers_do_not_move_the_similarity(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, points = random_similarity(random), random.normal(0, 1, (20, 3))
    target = truth.apply(points)
    target[:6] += random.normal(0, 50 * truth.scale, (6, 3))
    fitted = georeferencing.fit_similarity_robust(points, target, 0.01 * truth.scale)
    assert fitted is not None
    similarity, inliers = fitted
    assert inliers[6:].all()
    np.testing.assert_allclose(similarity.apply(points)[6:], target[6:], atol=1e-6 * truth.scale)


@pytest.mark.parametrize(
    "points",
    [np.zeros((6, 3)), np.outer(np.arange(6), [1.0, 2.0, 0.5]), np.random.default_rng(0).normal(size=(2, 3))],
    ids=["all equal", "a straight line", "two"],
)
def test_positions_that_do_not_determine_a_similarity_give_none(points: np.ndarray) -> None:
    spread = np.random.default_rng(1).normal(size=points.shape)
    assert georeferencing.fit_similarity_robust(points, spread, 0.1) is None
    assert georeferencing.fit_similarity_robust(spread, points, 0.1) is None


def gps_of(local_m: np.ndarray, origin: tuple[float, float, float]) -> list[GpsPosition]:
    geodetic = wgs84_from_local(local_m, georeferencing.describe_origin(origin, 0.0))
    return [GpsPosition(*map(float, row)) for row in geodetic]


@settings(deadline=None, max_examples=25)
@given(seeds, st.floats(-80, 80), st.floats(-180, 180))
def test_georeferencing_finds_the_local_metric_frame(seed: int, latitude: float, longitude: float) -> None:
    random = np.random.default_rng(seed)
    local = random.uniform(-60, 60, (12, 3)) * [1, 1, 0.2]
    positions = gps_of(local, (latitude, longitude, 100.0))
    to_model = random_similarity(random)
    found = georeferencing.georeference(to_model.apply(local), positions)
    assert found is not None
    similarity, reference = found
    moved = similarity.apply(to_model.apply(local))
    np.testing.assert_allclose(moved, georeferencing.local_from_gps(positions, reference.origin), atol=1e-4)
    assert similarity.scale * to_model.scale == pytest.approx(1.0, rel=1e-6)
    assert reference.rms_error_m < 1e-3


def test_the_origin_has_its_utm_zone() -> None:
    reference = georeferencing.describe_origin((52.3, 13.4, 40.0), 1.0)
    assert reference.epsg == 32633
    assert reference.origin_projected_m[0] == pytest.approx(390_930, abs=500)
    assert georeferencing.describe_origin((-33.9, 151.2, 0.0), 1.0).epsg == 32756


@pytest.mark.parametrize("seed", range(8))
def test_gps_noise_as_large_as_the_path_does_not_georeference(seed: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.full(24, 1.5)], 1)
    noisy = gps_of(ring + random.normal(0, 5, ring.shape), (50.0, 8.0, 100.0))
    assert georeferencing.georeference(ring, noisy) is None
    assert georeferencing.georeference(ring * 0.1, [GpsPosition(50.0, 8.0, 100.0)] * 24) is None
