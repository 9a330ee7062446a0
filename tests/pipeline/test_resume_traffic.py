"""What a resume moves through its driver when results lie on a server: headers, and no pixels."""

from __future__ import annotations

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.config.overrides import apply_overrides, parse_assignments
from e2e3d.config.presets import PRESETS
from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import reconstruct
from e2e3d.storage.store import ArtifactStore
from tests.client.breaking import BreakingProxy
from tests.command import SMALL, SampleRun
from tests.pipeline import toy_stages as toy
from tests.servers import BUCKET

pytestmark = pytest.mark.slow

UNITS = 300
# 500 photographs have about 4000 results: together they move less than 20 MB.
MOST_BYTES_A_RESULT = 5000


@pytest.fixture
def proxy(s3: S3Options) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(str(s3.endpoint))
    yield proxy
    proxy.close()


def test_a_resume_reads_the_beginning_of_each_result(s3: S3Options, proxy: BreakingProxy, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    config = toy.ToyConfig(folder=str(tmp_path))
    units = [toy.ToyInputs(i, np.zeros(20_000)) for i in range(UNITS)]
    InProcessExecutor(ArtifactStore(url, s3), device="cpu").map(toy.SCALE, units, config)
    watched = ArtifactStore(url, dataclasses.replace(s3, endpoint=proxy.url))
    executor = InProcessExecutor(watched, device="cpu")
    refs = executor.map(toy.SCALE, units, config)
    assert executor.stats[0].reused_units == UNITS
    assert executor.stats[0].cpu_s > 0
    assert len(toy.computed(tmp_path)) == UNITS
    assert proxy.passed + proxy.returned < UNITS * MOST_BYTES_A_RESULT
    assert refs[7].load().values[0] == 7.0


class RecordingStore(ArtifactStore):
    """Notes what is loaded, by the class of the record."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.loaded: Counter[str] = Counter()

    def get(self, key: str, record_type: type[Any]) -> Any:
        self.loaded[record_type.__name__] += 1
        return super().get(key, record_type)


class NothingIsComputed(InProcessExecutor):
    """Fails for a unit that is not stored: what is loaded then is what the driver loads."""

    def _compute(self, *_: object) -> None:
        raise AssertionError("everything is stored")


def test_the_driver_loads_no_pixels(sample_run: SampleRun) -> None:
    store = RecordingStore(str(sample_run.out / ".e2e3d" / "store"))
    config = apply_overrides(PRESETS["preview"], parse_assignments(list(SMALL)))
    results = reconstruct(sample_run.photos, config, NothingIsComputed(store, device="cpu"))
    assert set(store.loaded) == {"PairList", "PhotoBlock", "StillRegions", "ViewGeometries"}
    assert store.loaded["ViewGeometries"] == 1
    assert [view.photo_index for view in results.geometry] == list(range(8))
    size = {ref.load().image.shape[:2] for ref in results.views}
    assert size == {(view.height_px, view.width_px) for view in results.geometry}


def test_the_cost_of_what_is_stored_is_told_without_its_body(s3: S3Options, proxy: BreakingProxy) -> None:
    url, key, cost = f"s3://{BUCKET}/{uuid.uuid4().hex}", f"toy/{'0' * 64}", UnitStats(1.0, 2.0, 3, "host")
    ArtifactStore(url, s3).put(key, toy.Numbers(np.zeros(1_000_000)), cost)
    watched = ArtifactStore(url, dataclasses.replace(s3, endpoint=proxy.url))
    assert watched.describe(key) == cost
    assert proxy.returned < 20_000
    assert Ref(key, toy.Numbers).bound(lambda: watched.get(key, toy.Numbers)).load().values.shape == (1_000_000,)
    assert proxy.returned > 8_000_000
