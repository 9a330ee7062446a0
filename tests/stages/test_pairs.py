import numpy as np
from numpy.typing import NDArray

from e2e3d.config.pairs import OverlapConfig
from e2e3d.data.features import Features, GlobalDescriptor, PairOverlaps
from e2e3d.data.photo import GpsPosition
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.pair_selection import components
from e2e3d.stages import overlap, pairs, retrieval
from e2e3d.stages.stage import RunContext

CONFIG = pairs.PairsConfig(
    exhaustive_up_to=10,
    sequence_exhaustive_up_to=10,
    compare_all_up_to=20,
    similar_neighbours=4,
    gps_neighbours=4,
)


def random_descriptors(count: int) -> tuple[Ref[GlobalDescriptor], ...]:
    vectors = np.random.default_rng(0).normal(size=(count, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return tuple(Ref.of(GlobalDescriptor(v.astype(np.float16))) for v in vectors)


def choose(count: int, sequence: bool = False, gps: tuple[GpsPosition | None, ...] | None = None):
    gps = (None,) * count if gps is None else gps
    return pairs.run(pairs.PairsInputs(count, sequence, gps, random_descriptors(count)), CONFIG, RunContext())


def test_small_sets_are_matched_exhaustively() -> None:
    assert not pairs.needs_descriptors(10, False, CONFIG)
    chosen = choose(10)
    assert len(chosen.pairs) == 45
    assert set(chosen.reasons) == {"exhaustive"}


def test_all_pairs_of_sets_in_between_are_compared() -> None:
    assert not pairs.needs_comparison(10, False, CONFIG)
    assert pairs.needs_comparison(20, False, CONFIG)
    assert not pairs.needs_descriptors(20, False, CONFIG)
    assert len(choose(20).pairs) == 190


def test_frames_of_a_video_are_matched_as_they_follow() -> None:
    assert not pairs.needs_comparison(80, True, CONFIG)
    assert not pairs.need_features(10, True, CONFIG)
    assert pairs.need_features(11, True, CONFIG)


def test_large_sets_grow_linearly_and_hang_together() -> None:
    assert pairs.needs_descriptors(80, False, CONFIG)
    chosen = choose(80)
    assert len(chosen.pairs) <= 4 * 80 + 80
    assert (chosen.pairs[:, 0] < chosen.pairs[:, 1]).all()
    assert len(np.unique(chosen.pairs, axis=0)) == len(chosen.pairs) == len(chosen.reasons)
    assert components(set(map(tuple, chosen.pairs.tolist())), 80).max() == 0


def test_frames_of_a_video_follow_each_other() -> None:
    chosen = choose(60, sequence=True)
    reasons = dict(zip(map(tuple, chosen.pairs.tolist()), chosen.reasons, strict=True))
    assert all(reasons[i, i + 1] == "sequence" for i in range(59))
    assert "retrieval" in chosen.reasons


def test_gps_neighbours_are_paired_even_when_one_photograph_has_none() -> None:
    gps: list[GpsPosition | None] = [GpsPosition(50.0 + 1e-4 * (i % 6), 8.0 + 1e-4 * (i // 6), None) for i in range(36)]
    gps[5] = None
    chosen = choose(36, gps=tuple(gps))
    reasons = dict(zip(map(tuple, chosen.pairs.tolist()), chosen.reasons, strict=True))
    assert reasons[7, 8] == "gps"
    assert reasons[7, 13] == "gps"
    assert 5 in chosen.pairs


def test_retrieval_units_describe_photographs() -> None:
    random = np.random.default_rng(0)

    def photo(n: int) -> Ref[Features]:
        descriptors = random.integers(0, 90, (n, 128)).astype(np.uint8)
        return Ref.of(Features(np.zeros((n, 4), np.float32), descriptors, np.zeros((n, 3), np.uint8)))

    photos = tuple(photo(n) for n in (50, 80, 0))
    config = retrieval.VocabularyConfig(words=8, samples=60)
    vocabulary = retrieval.run_vocabulary(retrieval.VocabularyInputs(photos), config, RunContext())
    assert vocabulary.words.shape == (8, 128)
    described = [
        retrieval.run(
            retrieval.RetrievalInputs(photo, Ref.of(vocabulary)), retrieval.RetrievalConfig(), RunContext()
        ).vector
        for photo in photos
    ]
    assert [bool(vector.any()) for vector in described] == [True, True, False]


def test_pairs_are_compared_by_their_largest_features_alone() -> None:
    random = np.random.default_rng(0)
    words = random.exponential(1.0, (60, 128))
    descriptors = np.clip(words * 512 / np.linalg.norm(words, axis=1, keepdims=True), 0, 255).astype(np.uint8)

    def photo(shown: NDArray[np.int64], scales: NDArray[np.int64]) -> Ref[Features]:
        keypoints = np.column_stack([np.zeros((len(shown), 2)), scales, np.zeros(len(shown))]).astype(np.float32)
        return Ref.of(Features(keypoints, descriptors[shown], np.zeros((len(shown), 3), np.uint8)))

    forward, backward = np.arange(60), np.arange(60)[::-1]
    photos = (photo(forward, backward), photo(forward, backward), photo(forward, forward))
    inputs = overlap.OverlapInputs(((3, 5), (3, 8), (5, 8)), (3, 5, 8), photos)
    found = overlap.run(inputs, OverlapConfig(20, 0.8, 0.7), RunContext())
    assert found.pairs.tolist() == [[3, 5], [3, 8], [5, 8]]
    assert found.shared[0] == 20  # the same ones are the largest
    assert found.shared[1:].tolist() == [0, 0]  # the largest of one are the smallest of the other


def test_the_choice_puts_blocks_together_and_says_why() -> None:
    blocks = [([(0, 1), (0, 2)], [11, 0]), ([(1, 2)], [10])]
    overlaps = tuple(Ref.of(PairOverlaps(np.array(p, np.int32), np.array(n, np.int32))) for p, n in blocks)
    chosen = pairs.choose(pairs.ChoiceInputs(3, overlaps), CONFIG, RunContext())
    assert chosen.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]  # so few that each is among the best of a photograph
    assert set(chosen.reasons) == {"overlap"}
    assert len(pairs.link(pairs.LinkInputs(3, ()), CONFIG, RunContext()).pairs) == 0
