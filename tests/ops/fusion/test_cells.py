"""Cells of a regular grid."""

import numpy as np

from e2e3d.ops.fusion.cells import cell_numbers


def test_points_share_a_number_only_within_a_cell():
    points = np.random.default_rng(0).uniform(-3, 5, (2000, 3)).astype(np.float32)
    numbers, _ = cell_numbers(points, 0.5)
    place = np.floor((points - points.min(0)) / 0.5).astype(int)
    _, expected = np.unique(place, axis=0, return_inverse=True)
    assert len(np.unique(numbers)) == expected.max() + 1
    assert len(np.unique(np.stack([numbers, expected.ravel()], 1), axis=0)) == expected.max() + 1


def test_steps_lead_to_the_next_cell_along_each_axis():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 3, 4]], np.float32)
    numbers, steps = cell_numbers(points, 1.0)
    assert (numbers[1:4] - numbers[0] == steps).all()
    assert numbers[4] - numbers[0] == steps @ [2, 3, 4]


def test_empty_layers_keep_rows_apart():
    points = np.random.default_rng(1).uniform(0, 4, (500, 3)).astype(np.float32)
    numbers, steps = cell_numbers(points, 1.0, around=2)
    row = numbers // steps[1]
    for step in (-2, -1, 1, 2):
        assert ((numbers + step) // steps[1] == row).all()


def test_a_flat_cloud_is_one_layer():
    numbers, _ = cell_numbers(np.zeros((7, 3), np.float32), 0.1)
    assert (numbers == 0).all()
