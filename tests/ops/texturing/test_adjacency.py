import numpy as np

from e2e3d.ops.texturing.adjacency import connected_parts, face_adjacency, opposite_slots

FACES = np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6]], np.int32)


def test_neighbours_lie_across_the_shared_edge() -> None:
    neighbours = face_adjacency(FACES)
    assert neighbours.tolist() == [[-1, 1, -1], [0, -1, -1], [-1, -1, -1]]
    assert opposite_slots(neighbours, FACES).tolist() == [[-1, 0, -1], [1, -1, -1], [-1, -1, -1]]


def test_parts_end_where_the_label_changes() -> None:
    neighbours = face_adjacency(FACES)
    part, count = connected_parts(neighbours, np.array([5, 5, 5], np.int32))
    assert (part.tolist(), count) == ([0, 0, 1], 2)
    part, count = connected_parts(neighbours, np.array([5, 4, -1], np.int32))
    assert (part.tolist(), count) == ([0, 1, -1], 2)
