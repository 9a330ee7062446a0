"""Models that others turn in their browser: shared by an address, withdrawn again."""

from __future__ import annotations

from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import Page, Share
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path


def share(
    session: Session, job_id: str, expires_in_days: float | None = None, password: str | None = None
) -> Flow[Share]:
    """Make an address by which anybody may turn the model of a job in a browser. Raises NotFoundError.

    Args:
        session: given by the client.
        job_id: the job.
        expires_in_days: at most 3650; None = until it is withdrawn.
        password: that visitors have to give; None = the address is enough.
    """
    body = {"expires_in_days": expires_in_days, "password": password}
    reply = yield from exchange(session, Call("POST", path("jobs", job_id, "shares"), json=body))
    return Share.model_validate(reply.json())


def list_shares(
    session: Session, job_id: str, limit: int | None = None, cursor: str | None = None
) -> Flow[Page[Share]]:
    """The addresses by which a model is shared, newest first; expired ones too."""
    call = Call("GET", path("jobs", job_id, "shares"), {"limit": limit, "cursor": cursor})
    return Page[Share].model_validate((yield from exchange(session, call)).json())


def withdraw_share(session: Session, share_id: str) -> Flow[None]:
    """Withdraw an address: it shows nothing from the next request on."""
    yield from exchange(session, Call("DELETE", path("shares", share_id)))
