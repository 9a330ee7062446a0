"""What reaches a Ray worker: no secret in its arguments, and inputs that its threads load side by side."""

from __future__ import annotations

import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.pipeline.units import UnitCall
from e2e3d.stages.stage import Resources, RunContext, Stage
from e2e3d.storage.store import ArtifactStore
from tests.pipeline.toy_stages import SCALE, ToyConfig, ToyInputs
from tests.servers import BUCKET, SECRET

THREADS = 4


@dataclass(frozen=True)
class Sum:
    values: NDArray[np.float64]


@dataclass(frozen=True)
class SumInputs:
    parts: tuple[Ref[Sum], ...]


def add_in_threads(inputs: SumInputs, config: ToyConfig, context: RunContext) -> Sum:
    with ThreadPoolExecutor(THREADS) as pool:
        return Sum(sum(pool.map(lambda part: part.load().values, inputs.parts), np.zeros(3)))


ADD_IN_THREADS = Stage("toy-add-in-threads", 1, ToyConfig, Sum, add_in_threads, Resources())


class MeetingStore(ArtifactStore):
    """Gives a result only once all threads have asked for one."""

    meeting = threading.Barrier(THREADS, timeout=20)

    def get(self, key: str, record_type: type[Any]) -> Any:
        self.meeting.wait()
        return super().get(key, record_type)


def test_threads_of_a_unit_load_side_by_side(tmp_path: Path) -> None:
    from e2e3d.tasks.worker import UnitGrant, execute

    store = MeetingStore(str(tmp_path / "store"))
    keys = [f"toy-part/{uuid.uuid4().hex * 2}" for _ in range(THREADS)]
    for number, key in enumerate(keys):
        store.put(key, Sum(np.full(3, float(number))), UnitStats(1.0, 1.0, 1, "host"))
    call = UnitCall(
        f"{__name__}:ADD_IN_THREADS",
        f"toy-add-in-threads/{'0' * 64}",
        SumInputs(tuple(Ref(key, Sum) for key in keys)),
        ToyConfig(),
    )
    grant = UnitGrant(RunContext("cpu", THREADS), logging.INFO, 1 << 20)
    output, report = execute(call, grant, store, (), ())
    assert report.error is None
    assert isinstance(output, Sum)
    assert output.values.tolist() == [6.0, 6.0, 6.0]


@pytest.mark.slow
def test_the_secret_of_s3_is_in_no_argument_and_no_log(s3: S3Options, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray import cloudpickle

    from e2e3d.tasks.executor import RayExecutor
    from e2e3d.tasks.placement import CpuPlacement, Wish
    from e2e3d.tasks.ray_session import RaySession

    submitted: list[bytes] = []
    submit = CpuPlacement.submit

    def recorded(self: CpuPlacement, arguments: tuple[Any, ...], wish: Wish) -> tuple[Any, Any]:
        submitted.append(cloudpickle.dumps(arguments))
        return submit(self, arguments, wish)

    monkeypatch.setattr(CpuPlacement, "submit", recorded)
    store = ArtifactStore(f"s3://{BUCKET}/{uuid.uuid4().hex}", s3)
    session = RaySession(None)
    try:
        with RayExecutor(store, device="cpu") as run:
            refs = run.map(SCALE, [ToyInputs(i, np.ones(2)) for i in range(4)], ToyConfig(factor=2.0))
            assert [ref.load().values[0] for ref in refs] == [2.0, 3.0, 4.0, 5.0]
        folder = session._folder
        assert folder is not None
        for path in folder.rglob("*"):
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes(), path
    finally:
        session.close()
    assert len(submitted) == 4
    assert not any(SECRET.encode() in arguments for arguments in submitted)
