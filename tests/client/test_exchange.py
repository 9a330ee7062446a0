import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e3d.client import exchange as exchanging
from e2e3d.client.administration import readiness
from e2e3d.client.credentials import CredentialsFile, Tokens
from e2e3d.client.errors import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
    UnreachableError,
)
from e2e3d.client.flow import Alone, Flow, Pause, Send
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, Reply

URL = "http://service.test"


class Script:
    """Plays the service: its answers one after another, and what it was asked; time passes only in pauses."""

    def __init__(self, *answers: Reply | Exception | Callable[[Call], Reply]) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []
        self.pauses: list[float] = []

    def run(self, flow: Flow[Any], monkeypatch: pytest.MonkeyPatch) -> Any:
        clock = [time.monotonic()]
        monkeypatch.setattr(exchanging.time, "monotonic", lambda: clock[0])
        return self._run(flow, clock)

    def _run(self, flow: Flow[Any], clock: list[float]) -> Any:
        answer: Any = None
        try:
            while True:
                command = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
                answer = None
                if isinstance(command, Send):
                    self.calls.append(command.call)
                    answer = self.answers.pop(0)
                    answer = answer(command.call) if callable(answer) else answer
                elif isinstance(command, Pause):
                    self.pauses.append(command.seconds)
                    clock[0] += command.seconds
                elif isinstance(command, Alone):
                    answer = self._run(command.flow, clock)
        except StopIteration as end:
            return end.value


def reply(status: int = 200, document: object = None, **headers: str) -> Reply:
    """An answer of the service; its errors are problem documents."""
    named = {"content-type": "application/problem+json" if status >= 400 else "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, b"" if document is None else json.dumps(document).encode())


def tokens(name: str, lasts_s: float = 900.0) -> Tokens:
    return Tokens(f"access-{name}", f"refresh-{name}", time.time() + lasts_s)


def token_reply(name: str) -> Reply:
    return reply(200, {"access_token": f"access-{name}", "refresh_token": f"refresh-{name}", "expires_in": 900})


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CredentialsFile:
    for name in ("E2E3D_URL", "E2E3D_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return CredentialsFile(tmp_path / "config" / "credentials.json")


@pytest.fixture
def session(file: CredentialsFile) -> Session:
    return Session(URL, "key", credentials=file)


GET = Call("GET", "/v1/jobs")
POST = Call("POST", "/v1/jobs", json={})


def test_the_key_goes_along(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(reply())
    script.run(exchanging.exchange(session, GET), monkeypatch)
    assert script.calls[0].headers["authorization"] == "Bearer key"


def test_no_key_goes_to_a_signed_link(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(reply())
    script.run(exchanging.exchange(session, Call("GET", "https://bucket.test/x", authorised=False)), monkeypatch)
    assert "authorization" not in script.calls[0].headers


@pytest.mark.parametrize("passing", [502, 503, 504])
def test_a_passing_failure_is_tried_again_with_growing_pauses(
    session: Session, monkeypatch: pytest.MonkeyPatch, passing: int
) -> None:
    script = Script(*[reply(passing)] * 4, UnreachableError("cut", sent=True), reply(200, {"good": True}))
    assert script.run(exchanging.exchange(session, GET), monkeypatch).json() == {"good": True}
    assert len(script.pauses) == 5
    for number, pause_s in enumerate(script.pauses):
        assert 0.125 * 2**number <= pause_s <= 0.25 * 2**number


FOREIGN = Reply(404, {"content-type": "text/plain"}, b"Path '/v1/jobs' not found.")


@pytest.mark.parametrize("call", [GET, POST, Call("HEAD", "/v1/uploads/1")])
def test_a_404_that_is_not_the_services_means_that_it_is_away(
    session: Session, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    script = Script(FOREIGN, Reply(404, {}), reply(200, {"good": True}))
    assert script.run(exchanging.exchange(session, call), monkeypatch).json() == {"good": True}
    assert len(script.pauses) == 2


def test_a_404_of_the_service_is_told_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for headers in ({}, {"content_type": "application/problem+json; charset=utf-8"}):
        script = Script(reply(404, {"code": "job-missing"}, **headers))
        with pytest.raises(NotFoundError):
            script.run(exchanging.exchange(session, GET), monkeypatch)
        assert script.pauses == []


def test_a_404_of_a_store_behind_a_signed_link_is_told_at_once(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(Reply(404, {"content-type": "application/xml"}, b"<Code>NoSuchKey</Code>"))
    with pytest.raises(NotFoundError):
        script.run(exchanging.exchange(session, Call("GET", "https://bucket.test/x", authorised=False)), monkeypatch)


def test_something_else_at_the_address_is_named_when_patience_ends(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceUnavailableError, match=r"something else answers at http://service.test \(404") as caught:
        Script(*[FOREIGN] * 100).run(exchanging.exchange(session, GET), monkeypatch)
    assert caught.value.code == "not-the-service"


def test_a_replica_that_died_with_a_request_is_asked_again_where_that_does_no_harm(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
    Script(died, reply()).run(exchanging.exchange(session, GET), monkeypatch)
    for answer, call in ((died, POST), (reply(500, {"code": "internal-error"}), GET)):
        with pytest.raises(ServiceUnavailableError):
            Script(answer).run(exchanging.exchange(session, call), monkeypatch)


def test_a_sign_in_outlives_a_restart(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.keep(URL, tokens("1", lasts_s=5))
    away = [FOREIGN, Reply(403, {"content-type": "text/html"}), reply(503, {"code": "database-away"})]
    script = Script(*away, token_reply("2"), reply())
    script.run(exchanging.exchange(Session(URL, credentials=file), GET), monkeypatch)
    assert len(script.calls) == 5
    kept = file.tokens(URL)
    assert kept is not None
    assert kept.refresh_token == "refresh-2"


def test_patience_ends(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(*[reply(503, {"code": "database-away", "detail": "It is away.", "action": "Wait."})] * 100)
    with pytest.raises(ServiceUnavailableError) as caught:
        script.run(exchanging.exchange(session, GET), monkeypatch)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("database-away", "It is away.", "Wait.")
    assert 45 < sum(script.pauses) <= 60


def test_the_service_can_ask_for_a_longer_pause(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(reply(429, retry_after="7"), reply())
    script.run(exchanging.exchange(session, POST), monkeypatch)
    assert script.pauses == [7.0]


def test_a_quota_is_told_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(reply(429, {"code": "quota-jobs"}))
    with pytest.raises(RateLimitedError, match="429"):
        script.run(exchanging.exchange(session, GET), monkeypatch)
    assert script.pauses == []


def test_what_may_have_been_done_is_not_done_twice(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, kind in ((reply(503), ServiceUnavailableError), (UnreachableError("cut", sent=True), UnreachableError)):
        script = Script(answer)
        with pytest.raises(kind):
            script.run(exchanging.exchange(session, POST), monkeypatch)
        assert len(script.calls) == 1


def test_what_never_arrived_is_sent_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(UnreachableError("refused"), reply())
    script.run(exchanging.exchange(session, POST), monkeypatch)
    assert len(script.calls) == 2


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [(404, NotFoundError, 8), (401, AuthenticationError, 7), (422, InvalidRequestError, 2), (500, ApiError, 5)],
)
def test_an_error_says_what_the_service_said(
    session: Session, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[ApiError], exit_code: int
) -> None:
    problem = {"code": "some-code", "detail": "What is wrong.", "action": "What to do.", "request_id": "abc"}
    with pytest.raises(kind) as caught:
        Script(reply(status, problem)).run(exchanging.exchange(session, GET), monkeypatch)
    error = caught.value
    assert (error.code, error.message, error.hint) == ("some-code", "What is wrong.", "What to do.")
    assert (error.status, error.request_id, error.exit_code) == (status, "abc", exit_code)


def test_an_answer_that_is_no_problem_document_still_becomes_an_error(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ApiError, match="The service answered 418"):
        Script(Reply(418, {}, b"<html>teapot")).run(exchanging.exchange(session, GET), monkeypatch)


def test_an_access_token_that_has_ended_is_renewed_and_kept(
    file: CredentialsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.keep(URL, tokens("1"))
    session = Session(URL, credentials=file)
    script = Script(reply(401), token_reply("2"), reply())
    script.run(exchanging.exchange(session, GET), monkeypatch)
    assert [call.path for call in script.calls] == ["/v1/jobs", "/v1/auth/refresh", "/v1/jobs"]
    assert script.calls[1].json == {"refresh_token": "refresh-1"}
    assert script.calls[2].headers["authorization"] == "Bearer access-2"
    kept = file.tokens(URL)
    assert kept is not None
    assert kept.refresh_token == "refresh-2"


def test_an_access_token_is_renewed_before_it_ends(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.keep(URL, tokens("1", lasts_s=5))
    script = Script(token_reply("2"), reply())
    script.run(exchanging.exchange(Session(URL, credentials=file), GET), monkeypatch)
    assert [call.path for call in script.calls] == ["/v1/auth/refresh", "/v1/jobs"]


def test_tokens_that_another_process_has_renewed_are_taken_over(
    file: CredentialsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.keep(URL, tokens("1"))
    session = Session(URL, credentials=file)

    def refused(call: Call) -> Reply:
        file.keep(URL, tokens("2"))  # the other process was faster; refresh-1 has been used up
        return reply(401)

    script = Script(refused, reply())
    script.run(exchanging.exchange(session, GET), monkeypatch)
    assert script.calls[1].headers["authorization"] == "Bearer access-2"


def test_while_another_process_renews_this_one_waits(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.keep(URL, tokens("1", lasts_s=5))
    session = Session(URL, credentials=file)
    other = CredentialsFile(file.path)
    flow = exchanging.exchange(session, GET)
    renewal = next(flow)
    assert isinstance(renewal, Alone)
    with other.try_lock() as locked:
        assert locked
        assert isinstance(next(renewal.flow), Pause)
        other.keep(URL, tokens("2"))
    with pytest.raises(StopIteration):
        next(renewal.flow)
    assert session.tokens == file.tokens(URL)
    assert session.tokens is not None
    assert session.tokens.access_token == "access-2"


def test_a_refused_refresh_signs_out(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.keep(URL, tokens("1"))
    with pytest.raises(AuthenticationError, match="e2e3d login"):
        Script(reply(401), reply(401)).run(exchanging.exchange(Session(URL, credentials=file), GET), monkeypatch)
    assert file.tokens(URL) is None


def test_a_renewal_survives_a_service_that_starts_late(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.keep(URL, tokens("1", lasts_s=5))
    script = Script(UnreachableError("refused"), token_reply("2"), reply())
    script.run(exchanging.exchange(Session(URL, credentials=file), GET), monkeypatch)
    assert len(script.calls) == 3


def test_signing_in_makes_the_service_the_default(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(URL, credentials=file)
    Script(token_reply("1")).run(exchanging.sign_in(session, "me@here", "secret"), monkeypatch)
    again = Session(credentials=CredentialsFile(file.path))
    assert again.url == URL
    assert again.authorization() == {"authorization": "Bearer access-1"}
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_device_that_has_signed_in_says_so_the_next_time(
    file: CredentialsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign_in(email: str, given: str) -> object:
        session = Session(URL, credentials=CredentialsFile(file.path))
        tokens = {"access_token": "a", "refresh_token": "r", "expires_in": 900, "device_token": given}
        script = Script(reply(200, tokens), reply(204))
        script.run(exchanging.sign_in(session, email, "secret"), monkeypatch)
        script.run(exchanging.sign_out(session), monkeypatch)
        return script.calls[0].json

    assert sign_in("me@here", "e2d_1") == {"email": "me@here", "password": "secret"}
    assert sign_in("me@here", "e2d_2") == {"email": "me@here", "password": "secret", "device_token": "e2d_1"}
    assert sign_in("you@here", "e2d_3") == {"email": "you@here", "password": "secret"}
    assert sign_in("me@here", "e2d_4") == {"email": "me@here", "password": "secret", "device_token": "e2d_2"}


def test_a_damaged_credentials_file_means_not_signed_in(file: CredentialsFile) -> None:
    file.path.parent.mkdir()
    for text in ("not json", "[]", '{"services": {"http://service.test": {"wrong": 1}}}'):
        file.path.write_text(text)
        assert file.tokens(URL) is None


def test_argument_environment_and_file_name_the_service(file: CredentialsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Session(credentials=file).url == "http://127.0.0.1:8000"
    file.keep("http://kept", tokens("1"), make_default=True)
    assert Session(credentials=file).url == "http://kept"
    monkeypatch.setenv("E2E3D_URL", "https://environment/")
    assert Session(credentials=file).url == "https://environment"
    assert Session("http://argument", credentials=file).url == "http://argument"
    monkeypatch.setenv("E2E3D_API_KEY", "from-environment")
    assert Session("http://kept", credentials=file).authorization() == {"authorization": "Bearer from-environment"}


def test_readiness_is_what_the_service_says_of_itself(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that has nobody to ask yet says 503 too, as a problem."""
    parts = {"database": {"status": "failed", "detail": "gone"}}
    own = Reply(503, {"content-type": "application/json"}, json.dumps({"status": "failed", "parts": parts}).encode())
    found = Script(own).run(readiness(session), monkeypatch)
    assert (found.status, found.parts["database"].detail) == ("failed", "gone")
    starting = {"status": 503, "code": "starting", "title": "Service Unavailable", "detail": "No replica is up."}
    with pytest.raises(ServiceUnavailableError):
        Script(reply(503, starting)).run(readiness(session), monkeypatch)
