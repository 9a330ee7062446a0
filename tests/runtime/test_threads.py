import importlib
import threading
import time
from pathlib import Path

import pytest

from e2e3d.runtime import threads
from e2e3d.runtime.threads import import_ahead, in_order


@pytest.fixture(params=[1, 2])
def granted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(threads, "_threads", request.param)
    return int(request.param)


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_results_come_in_order_and_each_once(granted: int, ahead: int) -> None:
    assert list(in_order(lambda item: item * item, iter(range(7)), ahead)) == [item * item for item in range(7)]
    assert list(in_order(abs, [], ahead)) == []


def test_no_more_is_begun_than_asked_for(granted: int) -> None:
    begun: list[int] = []
    for item in in_order(lambda item: begun.append(item) or item, range(20), ahead=2):
        assert len(begun) <= item + 3


def test_the_next_is_computed_while_the_caller_uses_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_threads", 2)
    begun = [threading.Event() for _ in range(3)]
    for item in in_order(lambda item: begun[item].set() or item, range(3), ahead=1):
        if item < 2:
            assert begun[item + 1].wait(10)


def test_an_error_is_raised_where_its_result_would_have_been(granted: int) -> None:
    results = in_order(lambda item: 1 // item, [1, 1, 0, 1], ahead=2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_module_is_imported_ahead_and_a_missing_one_is_told_by_the_import_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large_module.py").write_text("import time\ntime.sleep(0.2)\nvalue = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    started_s = time.perf_counter()
    import_ahead("large_module")
    import_ahead("no_such_module")
    assert time.perf_counter() - started_s < 0.1
    assert importlib.import_module("large_module").value == 3
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")
