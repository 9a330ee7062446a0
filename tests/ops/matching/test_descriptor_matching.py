import numpy as np
import pytest
import torch

from e2e3d.ops.matching import descriptor_matching
from e2e3d.ops.matching.descriptor_matching import DescriptorSet, mutual_matches


def descriptors(count: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).exponential(1.0, (count, 128))
    return np.clip(values * 512 / np.linalg.norm(values, axis=1, keepdims=True), 0, 255).astype(np.uint8)


def perturbed(values: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 8, values.shape)
    return np.clip(values + noise, 0, 255).astype(np.uint8)


def brute_force(a: np.ndarray, b: np.ndarray, max_ratio: float, max_distance: float) -> set[tuple[int, int]]:
    angles = np.arccos(np.clip(a.astype(np.int64) @ b.T.astype(np.int64) / 512.0**2, -1, 1))
    found = set()
    for i, row in enumerate(angles):
        j = int(row.argmin())
        column = angles[:, j]
        if column.argmin() != i or row[j] > max_distance:
            continue
        if row[j] < max_ratio * np.sort(row)[1] and column[i] < max_ratio * np.sort(column)[1]:
            found.add((i, j))
    return found


@pytest.mark.parametrize("in_bytes", [True, False])
@pytest.mark.parametrize(("first", "second"), [(700, 530), (257, 1000), (5, 40), (64, 64), (300, 2100)])
def test_matches_equal_brute_force_whatever_the_sizes_and_the_processor(
    first: int, second: int, in_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptor_matching, "multiplies_bytes", lambda: in_bytes)
    a = descriptors(first, 1)
    b = np.concatenate([perturbed(a[: second // 2], 2), descriptors(second, 3)])[:second]
    found = mutual_matches(DescriptorSet(a, "cpu"), DescriptorSet(b, "cpu"), 0.8, 0.7)
    assert set(map(tuple, found.tolist())) == brute_force(a, b, 0.8, 0.7)


def test_the_code_for_the_gpu_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    a = descriptors(600, 1)
    b = np.concatenate([perturbed(a[::2], 2), descriptors(100, 3), a[:20]])
    monkeypatch.setattr(descriptor_matching, "multiplies_bytes", lambda: True)
    sets = DescriptorSet(a, "cpu"), DescriptorSet(b, "cpu")
    monkeypatch.setattr(descriptor_matching, "GPU_TILE_ROWS", 128)
    expected = descriptor_matching._nearest_two_cpu(*sets)
    found = descriptor_matching._nearest_two_gpu(*sets)
    for ours, theirs in zip(expected, found, strict=True):
        for x, y in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_largest_products_are_exact_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.concatenate([np.full((40, 128), 255, np.uint8), np.zeros((40, 128), np.uint8)])
    a[np.arange(80), np.arange(80)] ^= 1
    products = a.astype(np.int64) @ a[::-1].T.astype(np.int64)
    for in_bytes in (True, False):
        monkeypatch.setattr(descriptor_matching, "multiplies_bytes", lambda chosen=in_bytes: chosen)
        sets = DescriptorSet(a, "cpu"), DescriptorSet(a[::-1].copy(), "cpu")
        (best, _, _), _ = descriptor_matching._nearest_two_cpu(*sets)
        np.testing.assert_array_equal(best, products.max(1))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_a_gpu_finds_the_same_matches() -> None:
    a = descriptors(3000, 1)
    b = perturbed(a[::-1], 2)
    on_cpu = mutual_matches(DescriptorSet(a, "cpu"), DescriptorSet(b, "cpu"), 0.8, 0.7)
    on_gpu = mutual_matches(DescriptorSet(a, "cuda"), DescriptorSet(b, "cuda"), 0.8, 0.7)
    np.testing.assert_array_equal(on_cpu, on_gpu)


def test_repeated_descriptors_are_ambiguous_and_give_no_match() -> None:
    a = descriptors(50, 1)
    found = mutual_matches(DescriptorSet(a, "cpu"), DescriptorSet(np.concatenate([a, a]), "cpu"), 0.8, 0.7)
    assert len(found) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_descriptors_give_no_match(count: int) -> None:
    sets = DescriptorSet(descriptors(40, 1), "cpu"), DescriptorSet(descriptors(40, 1)[:count], "cpu")
    assert mutual_matches(*sets, 0.8, 0.7).shape == (0, 2)
