import pytest

from e2e3d.client.sse import MAX_LINE_BYTES, EventParser, ServerEvent

STREAM = (
    b": hello\n\n"
    b"retry: 1000\n"
    b'id: 7\nevent: job.progress\ndata: {"progress":\ndata:  0.5}\n\n'
    b"data: second\r\n\r\n"
    b"id: 9\rdata: third\r\r"
    b"event: empty\n\n"
    b"id: 10\n\n"
    b"data: \xc3\xa4\n\n"
    b"data: never finished"
)
EVENTS = [
    ServerEvent("job.progress", '{"progress":\n 0.5}', "7"),
    ServerEvent("message", "second", "7"),
    ServerEvent("message", "third", "9"),
    ServerEvent("message", "ä", "10"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_the_stream_is_cut(size: int) -> None:
    parser = EventParser()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in parser.feed(piece)] == EVENTS


def test_a_line_without_end_is_refused() -> None:
    parser = EventParser()
    for _ in range(MAX_LINE_BYTES // 2**20):
        parser.feed(b"x" * 2**20)
    with pytest.raises(ValueError, match="no end"):
        parser.feed(b"x")
