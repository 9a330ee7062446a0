import threading

import pytest

from e2e3d.ops import threads
from e2e3d.ops.threads import in_order


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
