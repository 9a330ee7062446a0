import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.ops.matching import pair_selection, vlad


def ring_of_photos(count: int, words_each: int = 40) -> list[np.ndarray]:
    """Descriptors of photographs around an object: each shares half of its points with the next."""
    random = np.random.default_rng(0)
    world = random.exponential(1.0, (count * words_each // 2, 128))
    world *= 512 / np.linalg.norm(world, axis=1, keepdims=True)
    photos = []
    for i in range(count):
        seen = np.arange(i * words_each // 2, i * words_each // 2 + words_each) % len(world)
        photos.append(np.clip(world[seen] + random.normal(0, 4, (words_each, 128)), 0, 255).astype(np.uint8))
    return photos


def test_retrieval_finds_the_true_neighbours() -> None:
    photos = ring_of_photos(60)
    words = vlad.train_vocabulary(np.concatenate(photos), 32)
    vectors = np.stack([vlad.describe_photo(photo, words) for photo in photos])
    pairs = pair_selection.similar_pairs(vectors, 4)
    true = {(min(i, (i + 1) % 60), max(i, (i + 1) % 60)) for i in range(60)}
    assert len(true & pairs) >= 57
    assert len(pairs) <= 4 * 60


def test_the_vocabulary_is_the_same_every_time_and_vectors_have_unit_length() -> None:
    photos = ring_of_photos(10)
    words = vlad.train_vocabulary(np.concatenate(photos), 16)
    np.testing.assert_array_equal(words, vlad.train_vocabulary(np.concatenate(photos), 16))
    vector = vlad.describe_photo(photos[0], words)
    assert vector.shape == (16 * 128,)
    assert abs(np.linalg.norm(vector.astype(np.float64)) - 1) < 1e-3
    assert not vlad.describe_photo(np.zeros((0, 128), np.uint8), words).any()


def test_k_means_finds_separate_clusters() -> None:
    centres = np.eye(128)[:3] * 250
    points = np.concatenate([np.tile(c, (30, 1)) for c in centres]).astype(np.uint8)
    found = vlad.train_vocabulary(points, 3) * 512
    labels = vlad.nearest_words(points.astype(np.float32) / 512, found / 512)
    assert all(len(set(labels[s : s + 30])) == 1 for s in (0, 30, 60))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(0, 10**6))
def test_connect_links_everything_with_as_few_pairs_as_possible(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 8)).astype(np.float32)
    some = {(i, j) for i in range(count) for j in range(i + 1, count) if random.random() < 0.02}
    before = pair_selection.components(some, count).max(initial=0)
    added = pair_selection.connect(some, vectors)
    assert pair_selection.components(some | added, count).max(initial=0) == 0
    assert len(added) == before


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 200), st.integers(1, 12))
def test_a_sequence_is_connected_and_grows_linearly(count: int, window: int) -> None:
    pairs = pair_selection.sequence_pairs(count, window)
    assert pair_selection.components(pairs, count).max() == 0
    assert all(0 <= i < j < count for i, j in pairs)
    assert len(pairs) <= count * (window + 5)


def test_nearest_pairs_are_the_nearest() -> None:
    positions = np.stack([np.arange(10) * 5.0, np.zeros(10)], 1)
    pairs = pair_selection.nearest_pairs(positions, np.arange(10) + 100, 2)
    assert {(100 + i, 101 + i) for i in range(9)} <= pairs
    assert all(j - i <= 2 for i, j in pairs)


def test_everything_pairs_with_everything() -> None:
    assert len(pair_selection.exhaustive_pairs(12)) == 66
