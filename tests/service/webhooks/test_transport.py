import ssl
import time
from collections.abc import Iterator

import pytest
import trustme

from e2e3d.errors import InputError
from e2e3d.service.webhooks.addresses import AddressGuard, parse_networks
from e2e3d.service.webhooks.transport import DeliveryLimits, ReceiverAnswer, post
from tests.receiver import Receiver, receiving, sleeping

LOCAL = parse_networks(["127.0.0.0/8"])
HERE = AddressGuard(LOCAL)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def send(
    url: str, guard: AddressGuard = HERE, tls: ssl.SSLContext | None = None, limits: DeliveryLimits | None = None
) -> ReceiverAnswer:
    headers = {"content-type": "application/json", "webhook-id": "msg_1"}
    return post(url, headers, b'{"type":"x"}', guard, tls or ssl.create_default_context(), limits or DeliveryLimits())


def test_the_message_arrives_as_it_was_sent(receiver: Receiver) -> None:
    receiver.answers = [(202, {"Retry-After": "7"}, b"thanks")]
    assert send(receiver.url(path="/a?b=c")) == ReceiverAnswer(202, "thanks", 7.0)
    (message,) = receiver.messages
    assert message.path == "/a?b=c"
    assert message.body == b'{"type":"x"}'
    assert message.headers["webhook-id"] == "msg_1"
    assert message.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_private_address_is_not_called(receiver: Receiver) -> None:
    with pytest.raises(InputError) as caught:
        send(receiver.url(), AddressGuard())
    assert caught.value.code == "webhook-address-refused"
    assert receiver.messages == []


def test_a_name_that_changes_its_address_between_lookups_is_judged_at_the_lookup_that_connects(
    receiver: Receiver,
) -> None:
    answers = iter([("8.8.8.8",), ("127.0.0.1",)])
    guard = AddressGuard(resolve=lambda host, port: next(answers))
    guard.check(receiver.url("rebinding.example"))  # as when the webhook was registered: a public address
    with pytest.raises(InputError):
        send(receiver.url("rebinding.example"), guard)
    assert receiver.messages == []


def test_the_checked_address_is_the_one_that_is_called(receiver: Receiver) -> None:
    lookups = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        lookups.append(host)
        return ("127.0.0.1",)

    send(receiver.url("only-here.invalid"), AddressGuard(LOCAL, resolve))  # no resolver of the system knows the name
    assert lookups == ["only-here.invalid"]
    assert receiver.messages[0].headers["host"] == f"only-here.invalid:{receiver.port}"


def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    guard = AddressGuard(LOCAL, lambda host, port: ("127.0.0.2", "127.0.0.1"))
    assert send(receiver.url("two.invalid"), guard).status_code == 204


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.answers = [(302, {"Location": receiver.url(path="/secret")}, b"")]
    assert send(receiver.url()).status_code == 302
    assert [message.path for message in receiver.messages] == ["/hook"]


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(receiver.url()).status_code == 204


def test_only_the_beginning_of_an_answer_is_read(receiver: Receiver) -> None:
    receiver.answers = [(500, {}, b"x" * 50_000_000)]
    assert send(receiver.url()).text == "x" * 2048


def test_a_receiver_that_does_not_answer_is_left_in_time(receiver: Receiver) -> None:
    receiver.drip = sleeping(5)
    started_s = time.monotonic()
    with pytest.raises(OSError, match=r"no answer within 0\.5 s"):
        send(receiver.url(), limits=DeliveryLimits(total_s=0.5))
    assert time.monotonic() - started_s < 4


def test_a_closed_port_is_an_os_error(receiver: Receiver) -> None:
    with pytest.raises(OSError, match="refused"):
        send("http://127.0.0.1:1/hook")


def test_tls_is_verified_against_the_name_although_the_address_is_pinned() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("hooks.example").configure_cert(server)
    authority.configure_trust(client)
    guard = AddressGuard(LOCAL, lambda host, port: ("127.0.0.1",))
    with receiving(tls=server) as receiver:
        assert send(receiver.url("hooks.example"), guard, client).status_code == 204
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            send(receiver.url("other.example"), guard, client)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            send(receiver.url("hooks.example"), guard)
        assert len(receiver.messages) == 1
