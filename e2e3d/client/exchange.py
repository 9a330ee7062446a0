"""One call from its first attempt to its answer: the sign-in renewed when it has ended, retries with growing pauses."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping

from e2e3d.client.credentials import ApiKeyLogin, Tokens
from e2e3d.client.errors import AuthenticationError, ServiceUnavailableError, UnreachableError
from e2e3d.client.flow import Alone, Flow, Open, Pause, Send
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, Reply

_PASSING = (502, 503, 504)
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0
_LOCK_PAUSE_S = 0.05


def exchange(session: Session, call: Call) -> Flow[Reply]:
    """The good answer to a call.

    Raises:
        ApiError: what the service said, or UnreachableError; passing failures only after the session's patience.
    """
    reply = yield from attempt(session, call)
    if reply.status == 401 and call.authorised and not session.authorization():
        raise AuthenticationError(
            "login-required", f"You are not signed in to {session.url}.", "Sign in first: e2e3d login", 401
        )
    return reply.checked()


def attempt(
    session: Session, call: Call, command: type[Send] | type[Open] = Send, wait_elsewhere: bool = True
) -> Flow[Reply]:
    """The answer to a call, good or bad; with `Open` it stays open for reading.

    Args:
        session: who calls which service.
        call: what is asked.
        command: how it is sent.
        wait_elsewhere: ask again where something other than the service says that there is no such thing.

    Raises:
        UnreachableError: there was none within the session's patience.
        ServiceUnavailableError: ``not-the-service``: all the time something else said that there is no such thing.
    """
    deadline_s = time.monotonic() + session.patience_s
    tries, renewed = 0, False
    reply: Reply | None
    while True:
        if call.authorised and session.ends_soon and not renewed:
            yield from _renew(session)
            renewed = True
        used = session.tokens
        asked_s: float | None = None
        try:
            reply = yield command(signed(session, call))
        except UnreachableError as error:
            if error.sent and not call.may_repeat:
                raise
            failure, reply = error, None
        if reply is not None:
            if reply.status == 401 and call.authorised and used is not None and not renewed:
                yield from _renew(session)
                renewed = True
                continue
            elsewhere = _is_elsewhere(reply, call)
            if not (wait_elsewhere if elsewhere else _passes(reply, call)):
                return reply
            asked_s = _retry_after_s(reply.headers)
        pause_s = pause_before(tries, asked_s)
        tries += 1
        if time.monotonic() + pause_s > deadline_s:
            if reply is None:
                raise failure
            if elsewhere:
                raise _not_the_service(session, reply)
            return reply
        yield Pause(pause_s)


def _not_the_service(session: Session, reply: Reply) -> ServiceUnavailableError:
    """What an answer means that the service cannot have given."""
    kind = reply.headers.get("content-type", "no content type")
    return ServiceUnavailableError(
        "not-the-service",
        f"Not the service but something else answers at {session.url} ({reply.status}, {kind}).",
        "Wait if the service or a proxy before it is being started; otherwise check the URL.",
        reply.status,
    )


def signed(session: Session, call: Call) -> Call:
    """The call with the header that says who calls."""
    if not call.authorised:
        return call
    return dataclasses.replace(call, headers={**call.headers, **session.authorization()})


def pause_before(tries: int, asked_s: float | None = None) -> float:
    """Seconds before the next try: they double, and chance spreads them; the service can ask for more."""
    pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(tries, 10), _LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
    return max(pause_s, asked_s or 0.0)


def sign_in(session: Session, email: str, password: str, keep: bool = True) -> Flow[None]:
    """Sign in with a password; the tokens are used from now on, and kept for later commands.

    Raises:
        AuthenticationError: the address or the password is wrong.
        RateLimitedError: too many attempts; the message says when to try again.
    """
    device_token = session.credentials.device_token(session.url, email)
    body = {"email": email, "password": password} | ({"device_token": device_token} if device_token else {})
    call = Call("POST", "/v1/auth/login", json=body, authorised=False)
    reply = yield Send(call)  # not repeated: attempts are counted
    tokens = _tokens(reply.checked())
    session.api_key = None
    if keep:
        session.keep(tokens, make_default=True)
        if new_token := reply.json().get("device_token"):
            session.credentials.keep_device_token(session.url, email, new_token)
    else:
        session.tokens = tokens


def sign_in_with_key(session: Session, api_key: str) -> Flow[None]:
    """Keep an API key for later commands, once the service has accepted it.

    Raises:
        AuthenticationError: that is no key, the service does not know it, or it has expired.
    """
    if not (api_key.isascii() and api_key.isprintable()) or not api_key or " " in api_key:
        raise AuthenticationError("bad-key", "That is no API key.", "Give one as e2e3d keys create has printed it.")
    call = Call("GET", "/v1/me", headers={"authorization": f"Bearer {api_key}"}, authorised=False)
    (yield from attempt(session, call)).checked()
    session.keep(ApiKeyLogin(api_key), make_default=True)


def sign_out(session: Session) -> Flow[None]:
    """Revoke the sign-in and forget it; an API key is only forgotten, since other programs may use it."""
    tokens = session.tokens or session.credentials.tokens(session.url)
    if tokens is None:
        session.keep(None)
        return
    call = Call("POST", "/v1/auth/logout", json={"refresh_token": tokens.refresh_token}, repeatable=True)
    reply = yield from attempt(session, call)
    session.keep(None)
    if reply.status != 401:
        reply.checked()


def _renew(session: Session) -> Flow[None]:
    yield Alone(_renewal(session, session.tokens, time.monotonic() + session.patience_s))


def _renewal(session: Session, used: Tokens | None, deadline_s: float) -> Flow[None]:
    """A refresh token works once: only one flow of one process may use it, and the others take what it got."""
    while True:
        with session.credentials.try_lock() as locked:
            if locked:
                kept = session.credentials.tokens(session.url)
                if session.tokens == used and kept is not None and kept != used:
                    session.tokens = kept
                if session.tokens != used or used is None:
                    return
                call = Call("POST", "/v1/auth/refresh", json={"refresh_token": used.refresh_token}, authorised=False)
                try:
                    reply = yield Send(call)
                except UnreachableError as error:
                    if error.sent or time.monotonic() > deadline_s:
                        raise
                    yield Pause(pause_before(1))
                    continue
                if _is_away(reply):
                    if time.monotonic() > deadline_s:
                        raise _not_the_service(session, reply)
                    yield Pause(pause_before(2, _retry_after_s(reply.headers)))
                    continue
                if reply.status in (400, 401, 403):
                    session.keep(None)
                    raise AuthenticationError(
                        "signed-out", "The sign-in has ended.", "Sign in again: e2e3d login", reply.status
                    )
                tokens = _tokens(reply.checked())
                if kept is None:
                    session.tokens = tokens
                else:
                    session.keep(tokens)
                return
        yield Pause(_LOCK_PAUSE_S)


def _is_away(reply: Reply) -> bool:
    """Whether a refresh token was not used: the answer is none of the service's, or says that it cannot serve."""
    return not reply.ok and (not reply.is_problem or reply.status == 503)


def _tokens(reply: Reply) -> Tokens:
    document = reply.json()
    return Tokens(document["access_token"], document["refresh_token"], time.time() + float(document["expires_in"]))


def _passes(reply: Reply, call: Call) -> bool:
    if reply.status == 429:  # without a time it is a quota, which waiting does not change
        return _retry_after_s(reply.headers) is not None
    broken = reply.status == 500 and call.to_service and not reply.is_problem  # its process died with the request
    return (broken or reply.status in _PASSING) and call.may_repeat


def _is_elsewhere(reply: Reply, call: Call) -> bool:
    """Whether the service was away and something before it said "not found": the request has not been done."""
    return reply.status == 404 and call.to_service and not reply.is_problem


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else None
