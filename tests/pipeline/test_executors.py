"""The contract that both executors keep."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.data.ref import Ref
from e2e3d.data.stats import StageStats, UnitStats
from e2e3d.errors import CancelledError, MachineError, ReconstructionError, UnitDiedError
from e2e3d.pipeline.base_executor import StoreExecutor
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.passes import Pass
from e2e3d.runtime.gpu_devices import gpu_count
from e2e3d.runtime.threads import core_count
from e2e3d.runtime.tracing import span, start_tracing, stop_tracing
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.executor import RayExecutor
from tests.otlp import receiving_traces
from tests.pipeline import toy_stages as toy

EXECUTORS = {"inprocess": InProcessExecutor, "ray": RayExecutor}
Make = Callable[..., StoreExecutor]


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def stage_started(self, label: str, units: int) -> None:
        self.events.append(("started", label, units))

    def unit_finished(self, label: str, stats: UnitStats, reused: bool) -> None:
        self.events.append(("unit", label, reused))

    def stage_finished(self, stats: StageStats) -> None:
        self.events.append(("finished", stats.stage, stats.units, stats.reused_units))


@pytest.fixture(scope="module")
def ray_session() -> Iterator[None]:
    """One private cluster for all tests of the module; executors find Ray connected and leave it so."""
    from e2e3d.tasks.ray_session import RaySession

    session = RaySession(None)
    yield
    session.close()


@pytest.fixture(params=["inprocess", pytest.param("ray", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "ray":
        request.getfixturevalue("ray_session")
    store = ArtifactStore(str(tmp_path / "store"))
    return lambda **options: EXECUTORS[request.param](store, device="cpu", **options)


def units(count: int, size: int = 3) -> list[toy.ToyInputs]:
    return [toy.ToyInputs(start, np.arange(size, dtype=np.float64)) for start in range(count)]


def test_results_come_in_order(make: Make) -> None:
    refs = make().map(toy.SCALE, units(7), toy.ToyConfig(factor=3.0))
    for start, ref in enumerate(refs):
        assert ref.key.startswith("toy-scale/")
        np.testing.assert_array_equal(ref.load().values, np.arange(3) * 3.0 + start)
        assert not ref.load().values.flags.writeable


def test_references_are_bound_for_the_next_stage(make: Make, tmp_path: Path) -> None:
    executor = make()
    blob = executor.put_blob(b"photograph")
    assert blob == Ref.blob(hashlib.sha256(b"photograph").hexdigest())
    assert blob.load() == b"photograph"
    first = executor.map(toy.SCALE, units(3, 50_000), toy.ToyConfig())
    total = executor.map(toy.SCALE, [toy.ToyInputs(0, np.zeros(50_000), tuple(first))], toy.ToyConfig())[0].load()
    np.testing.assert_array_equal(total.values, 3 * np.arange(50_000) * 2.0 + 3)


def test_stored_results_are_reused_and_their_cost_reported(make: Make, tmp_path: Path) -> None:
    config = toy.ToyConfig(folder=str(tmp_path))
    recorder = Recorder()
    make().map(toy.SCALE, units(4), config)
    executor = make(progress=recorder)
    executor.map(toy.SCALE, units(5), config, label="again")
    assert sorted(toy.computed(tmp_path)) == ["0", "1", "2", "3", "4"]
    (stats,) = executor.stats
    assert (stats.stage, stats.units, stats.reused_units) == ("again", 5, 4)
    assert recorder.events[0] == ("started", "again", 5)
    assert recorder.events[1:6] == [("unit", "again", True)] * 4 + [("unit", "again", False)]
    assert recorder.events[-1] == ("finished", "again", 5, 4)


def test_other_settings_compute_again(make: Make, tmp_path: Path) -> None:
    executor = make()
    executor.map(toy.SCALE, units(2), toy.ToyConfig(1.0, str(tmp_path)))
    executor.map(toy.SCALE, units(2), toy.ToyConfig(1.5, str(tmp_path)))
    assert len(toy.computed(tmp_path)) == 4


def test_equal_units_are_computed_once(make: Make, tmp_path: Path) -> None:
    executor = make()
    refs = executor.map(toy.SCALE, units(1) * 3, toy.ToyConfig(folder=str(tmp_path)))
    assert len(refs) == 3
    assert toy.computed(tmp_path) == ["0"]
    assert executor.stats[0].units == 3


def in_two_passes(folder: Path, naps_s: tuple[float, ...] = (0.0, 0.0)) -> list[Pass]:
    """Units that only take time; then one for each that adds 10 to what it made."""
    config = toy.ToyConfig(1.0, str(folder))
    first = Pass(toy.SLEEP, [toy.ToyInputs(i, np.full(1, nap_s)) for i, nap_s in enumerate(naps_s)], config)
    second = [toy.ToyInputs(10 + i, np.zeros(1), (ref,)) for i, ref in enumerate(first.results)]
    return [first, Pass(toy.SCALE, second, config, "added")]


def test_later_passes_take_results_of_earlier_ones(make: Make, tmp_path: Path) -> None:
    recorder = Recorder()
    executor = make(progress=recorder)
    first, second = executor.map_passes(in_two_passes(tmp_path))
    assert [ref.load().values[0] for ref in (*first, *second)] == [0.0, 0.0, 10.0, 11.0]
    assert [stats.stage for stats in executor.stats] == ["toy-sleep", "added"]
    labels = ["toy-sleep"] * 4 + ["added"] * 4
    assert [event[1] for event in recorder.events] == labels
    assert [event[0] for event in recorder.events] == ["started", "unit", "unit", "finished"] * 2


def test_what_is_stored_of_several_passes_is_reused(make: Make, tmp_path: Path) -> None:
    first, second = in_two_passes(tmp_path)
    make().map_passes([first, replace(second, inputs=second.inputs[:1])])
    executor = make()
    refs = executor.map_passes(in_two_passes(tmp_path))[1]
    assert [ref.load().values[0] for ref in refs] == [10.0, 11.0]
    assert [(stats.units, stats.reused_units) for stats in executor.stats] == [(2, 2), (2, 1)]
    assert sorted(toy.computed(tmp_path)) == ["0", "1", "10", "11"]


def test_an_error_in_a_later_pass_reaches_the_caller(make: Make, tmp_path: Path) -> None:
    first, _ = in_two_passes(tmp_path)
    failing = Pass(toy.FAIL, [toy.ToyInputs(1, np.zeros(1), first.results)], first.config)
    executor = make()
    with pytest.raises(ReconstructionError, match="Unit 1 cannot"):
        executor.map_passes([first, failing])
    assert [stats.stage for stats in executor.stats] == ["toy-sleep", "toy-fail"]


@pytest.mark.slow
def test_no_core_waits_for_the_last_unit_of_a_pass(ray_session: None, tmp_path: Path) -> None:
    recorder = Recorder()
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")), recorder)
    executor.map_passes(in_two_passes(tmp_path, (2.0, 0.1)))
    assert toy.computed(tmp_path) == ["1", "11", "0", "10"]
    assert [event[1] for event in recorder.events] == ["toy-sleep"] * 4 + ["added"] * 4


@pytest.mark.slow
def test_later_passes_do_not_hold_up_earlier_ones_whatever_they_ask_of_ray(ray_session: None, tmp_path: Path) -> None:
    config = toy.ToyConfig(folder=str(tmp_path))
    count = 3 * core_count()
    first = Pass(toy.SLEEP, [toy.ToyInputs(i, np.full(1, 0.2)) for i in range(count)], config)
    ready = first.results[:1]
    second = [toy.ToyInputs(100 + i, np.full(1, 0.1), ready) for i in range(20)]
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    executor.map_passes([first, Pass(toy.SLEEP_ELSEWHERE, second, config)])
    order = toy.computed(tmp_path)
    last = max(order.index(str(i)) for i in range(count))
    assert last < count + 2 * core_count()


@pytest.mark.slow
def test_a_killed_worker_holds_up_only_what_needs_its_result(ray_session: None, tmp_path: Path) -> None:
    (tmp_path / "life1").touch()
    config = toy.ToyConfig(1.0, str(tmp_path))
    first = Pass(toy.DIE, [toy.ToyInputs(i, np.zeros(1)) for i in range(2)], config)
    second = [toy.ToyInputs(10 + i, np.zeros(1), (ref,)) for i, ref in enumerate(first.results)]
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    refs = executor.map_passes([first, Pass(toy.SCALE, second, config)])[1]
    assert [ref.load().values[0] for ref in refs] == [10.0, 12.0]
    assert toy.computed(tmp_path).count("0") == 2


def test_damaged_results_are_computed_again(make: Make, tmp_path: Path) -> None:
    config = toy.ToyConfig(folder=str(tmp_path))
    make().map(toy.SCALE, units(2), config)
    damaged = next((tmp_path / "store" / "toy-scale").rglob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-5])
    refs = make().map(toy.SCALE, units(2), config)
    assert len(toy.computed(tmp_path)) == 3
    assert [ref.load().values[0] for ref in refs] == [0.0, 1.0]


def test_the_first_expected_error_reaches_the_caller_unchanged(make: Make, tmp_path: Path) -> None:
    inputs = [toy.ToyInputs(start, np.zeros(1)) for start in (1, *range(10, 60))]
    with pytest.raises(ReconstructionError) as caught:
        make().map(toy.FAIL, inputs, toy.ToyConfig(folder=str(tmp_path)))
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "toy",
        "Unit 1 cannot be computed.",
        "Leave it out.",
    )
    assert len(toy.computed(tmp_path)) < 10


def test_a_bug_keeps_its_type(make: Make) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug"):
        make().map(toy.FAIL, [toy.ToyInputs(2, np.zeros(1))], toy.ToyConfig())


def test_cost_of_a_unit_is_measured(make: Make) -> None:
    executor = make()
    inputs = [toy.ToyInputs(0, np.array([30e6])), toy.ToyInputs(1, np.array([1e3]))]
    names = ["Übersicht.jpg", "b.jpg"]  # with this label, Linux cuts the name of the process within the first letter
    executor.map(toy.BURN, inputs, toy.ToyConfig(), "toy-bur", names)
    (stats,) = executor.stats
    assert 0.6 <= stats.cpu_s < 3.0
    assert stats.peak_memory_bytes > 240e6


def test_all_cores_are_granted_where_a_stage_asks(make: Make) -> None:
    result = make().map(toy.SCALE_ALL_CORES, units(1), toy.ToyConfig())[0].load()
    assert (result.device, result.threads) == ("cpu", core_count())


def test_a_set_token_cancels_between_units(make: Make, tmp_path: Path) -> None:
    token = CancelToken()
    executor = make(cancel=token)
    threading.Timer(1.0, token.cancel).start()
    started_s = time.monotonic()
    with pytest.raises(CancelledError):
        executor.map(
            toy.SLEEP, [toy.ToyInputs(i, np.full(1, 0.4)) for i in range(100)], toy.ToyConfig(folder=str(tmp_path))
        )
    assert time.monotonic() - started_s < 5.0
    finished = len(toy.computed(tmp_path))
    time.sleep(0.6)
    assert len(toy.computed(tmp_path)) == finished


@pytest.mark.skipif(gpu_count() > 0, reason="a GPU is present")
@pytest.mark.parametrize("executor", EXECUTORS.values())
def test_an_absent_gpu_is_named(executor: type[StoreExecutor], tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no NVIDIA GPU") as caught:
        executor(ArtifactStore(str(tmp_path)), device="cuda")  # type: ignore[call-arg]
    assert caught.value.code == "no-gpu"


@pytest.mark.slow
def test_a_killed_worker_is_replaced(ray_session: None, tmp_path: Path) -> None:
    (tmp_path / "life1").touch()
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    refs = executor.map(toy.DIE, units(4), toy.ToyConfig(folder=str(tmp_path)))
    assert [ref.load().values[0] for ref in refs] == [0.0, 1.0, 2.0, 3.0]
    assert toy.computed(tmp_path).count("0") == 2


@pytest.mark.slow
def test_units_are_spans_below_their_pass_also_where_a_worker_died(ray_session: None, tmp_path: Path) -> None:
    (tmp_path / "life1").touch()
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    with receiving_traces() as receiver:
        start_tracing(receiver.url, "driver")
        with span("job"):
            executor.map(toy.DIE, units(2), toy.ToyConfig(folder=str(tmp_path)), "dying", ["a.jpg", "b.jpg"])
        stop_tracing()
        (whole,), (of_pass, *of_units) = (
            receiver.spans("job"),
            sorted(receiver.spans("dying"), key=lambda one: one.name),
        )
        computing = receiver.spans("compute")
    assert (of_pass.name, of_pass.parent) == ("dying", whole.id)
    assert {one.parent for one in of_units} == {of_pass.id}
    assert len({one.trace for one in (whole, of_pass, *of_units, *computing)}) == 1
    found = [(one.name, one.failed, one.attributes["e2e3d.attempt"]) for one in of_units]
    assert sorted(found)[:2] == [("dying a.jpg", False, 2), ("dying a.jpg", True, 1)]
    assert {one.parent for one in computing} == {one.id for one in of_units if not one.failed}
    assert all("e2e3d.peak_memory_bytes" in one.attributes for one in computing)
    inside = {one.id: one for one in of_units}
    for one in computing:
        assert inside[one.parent].began_ns <= one.began_ns <= one.ended_ns <= inside[one.parent].ended_ns


@pytest.mark.slow
def test_a_unit_that_fails_is_a_failed_span(ray_session: None, tmp_path: Path) -> None:
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    with receiving_traces() as receiver:
        start_tracing(receiver.url, "driver")
        with pytest.raises(ReconstructionError), span("job"):
            executor.map(toy.FAIL, [toy.ToyInputs(1, np.zeros(1))], toy.ToyConfig(), "failing")
        stop_tracing()
        assert {one.name: one.failed for one in receiver.spans()} == {
            "job": True,
            "failing": False,
            "failing 1 of 1": True,
            "compute": False,
        }


@pytest.mark.slow
@pytest.mark.operations
@pytest.mark.skipif(core_count() < 2, reason="a second copy needs a second core")
def test_a_unit_that_hangs_gets_a_second_copy(ray_session: None, tmp_path: Path) -> None:
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    executor.map(toy.HANG_ONCE, units(8), toy.ToyConfig(folder=str(tmp_path)))
    assert sorted(toy.computed(tmp_path)) == sorted(str(i) for i in range(8))  # the first copy still hangs
    assert (tmp_path / "hung").exists()


@pytest.mark.slow
def test_a_unit_that_kills_every_worker_is_given_up(ray_session: None, tmp_path: Path) -> None:
    for life in range(9):
        (tmp_path / f"life{life}").touch()
    executor = RayExecutor(ArtifactStore(str(tmp_path / "store")))
    with pytest.raises(UnitDiedError, match=r"toy-die: A\.jpg .* was killed 3 times") as caught:
        executor.map(toy.DIE, units(2), toy.ToyConfig(folder=str(tmp_path)), names=["A.jpg", "B.jpg"])
    assert (caught.value.code, caught.value.name) == ("worker-died", "A.jpg")


def test_nothing_is_started_when_everything_is_stored(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    InProcessExecutor(store).map(toy.SCALE, units(2), toy.ToyConfig())
    executor = RayExecutor(store)
    assert executor.map(toy.SCALE, units(2), toy.ToyConfig())[1].load().values[0] == 1.0
    assert not executor.connected
