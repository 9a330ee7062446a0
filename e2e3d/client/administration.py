"""What administrators do: accounts, the audit log, the level of the service's log, whether it is ready."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.client.errors import AuthenticationError
from e2e3d.client.exchange import attempt, exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import ApiKey, AuditEntry, ChangedUser, Job, JobOfUser, Overview, Page, Readiness, User
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path


def list_users(session: Session, limit: int | None = None, cursor: str | None = None) -> Flow[Page[User]]:
    """All accounts, newest first."""
    call = Call("GET", path("users"), {"limit": limit, "cursor": cursor})
    return Page[User].model_validate((yield from exchange(session, call)).json())


def user(session: Session, user_id: str) -> Flow[User]:
    """An account. Raises NotFoundError."""
    return User.model_validate((yield from exchange(session, Call("GET", path("users", user_id)))).json())


def create_user(
    session: Session,
    email: str,
    password: str,
    name: str = "",
    role: str = "user",
    quota_photos: int | None = None,
    quota_bytes: int | None = None,
    quota_jobs: int | None = None,
) -> Flow[User]:
    """Make an account; give its password to its owner, who should change it.

    Args:
        session: given by the client.
        email: what its owner signs in with.
        password: of 12 characters or more.
        name: of its owner.
        role: ``user`` or ``admin``.
        quota_photos: photographs of one job at most; None, here and below = as the service has it for all.
        quota_bytes: stored bytes at most.
        quota_jobs: unfinished jobs at most.

    Raises:
        ConflictError: the address has an account.
    """
    body = {
        "email": email,
        "password": password,
        "name": name,
        "role": role,
        "quota_photos": quota_photos,
        "quota_bytes": quota_bytes,
        "quota_jobs": quota_jobs,
    }
    return User.model_validate((yield from exchange(session, Call("POST", path("users"), json=body))).json())


def change_user(
    session: Session,
    user_id: str,
    name: str | None = None,
    role: str | None = None,
    disabled: bool | None = None,
    password: str | None = None,
    quota_photos: int | None = None,
    quota_bytes: int | None = None,
    quota_jobs: int | None = None,
    keep_api_keys: bool = False,
) -> Flow[ChangedUser]:
    """Change an account; what is None stays. A new password, or `disabled`, ends the user's sign-ins.

    A new password also revokes the user's API keys, unless `keep_api_keys` is set.
    """
    body = {
        "name": name,
        "role": role,
        "disabled": disabled,
        "password": password,
        "quota_photos": quota_photos,
        "quota_bytes": quota_bytes,
        "quota_jobs": quota_jobs,
        "keep_api_keys": keep_api_keys or None,
    }
    given = {field: value for field, value in body.items() if value is not None}
    reply = yield from exchange(session, Call("PATCH", path("users", user_id), json=given, repeatable=True))
    return ChangedUser.model_validate(reply.json())


def delete_user(session: Session, user_id: str) -> Flow[User]:
    """Delete an account: it is out at once, and goes at `purge_at` with all that it owns. Raises ConflictError."""
    return User.model_validate((yield from exchange(session, Call("DELETE", path("users", user_id)))).json())


def restore_user(session: Session, user_id: str) -> Flow[User]:
    """Take the deletion of an account back, before its `purge_at`. Raises NotFoundError."""
    call = Call("POST", path("users", user_id, "restore"), repeatable=True)
    return User.model_validate((yield from exchange(session, call)).json())


def list_user_api_keys(
    session: Session, user_id: str, limit: int | None = None, cursor: str | None = None
) -> Flow[Page[ApiKey]]:
    """The API keys of a user, newest first, without their secret parts."""
    call = Call("GET", path("users", user_id, "api-keys"), {"limit": limit, "cursor": cursor})
    return Page[ApiKey].model_validate((yield from exchange(session, call)).json())


def revoke_user_api_key(session: Session, user_id: str, key_id: str) -> Flow[None]:
    """Revoke an API key of a user; it is refused from the next request on."""
    yield from exchange(session, Call("DELETE", path("users", user_id, "api-keys", key_id)))


def list_audit(
    session: Session,
    limit: int | None = None,
    cursor: str | None = None,
    user_id: str | None = None,
    action: str | None = None,
) -> Flow[Page[AuditEntry]]:
    """Who did what, newest first; only one user's, or only one action such as ``job.submit``."""
    call = Call("GET", path("audit"), {"limit": limit, "cursor": cursor, "user_id": user_id, "action": action})
    return Page[AuditEntry].model_validate((yield from exchange(session, call)).json())


def log_level(session: Session) -> Flow[str]:
    """The lowest level that the service logs: ``debug``, ``info``, ``warning`` or ``error``."""
    return str((yield from exchange(session, Call("GET", path("admin", "log-level")))).json()["level"])


def set_log_level(session: Session, level: str) -> Flow[str]:
    """Set the level of all processes of the service; they follow within ten seconds."""
    reply = yield from exchange(session, Call("PUT", path("admin", "log-level"), json={"level": level}))
    return str(reply.json()["level"])


def overview(session: Session) -> Flow[Overview]:
    """The service in figures: the queue, what is stored, who stores most, how old the newest backup is."""
    return Overview.model_validate((yield from exchange(session, Call("GET", path("admin", "overview")))).json())


def list_jobs_of_all(
    session: Session,
    limit: int | None = None,
    cursor: str | None = None,
    state: str | Sequence[str] | None = None,
    user_id: str | None = None,
) -> Flow[Page[JobOfUser]]:
    """The jobs of all users, newest first; only those in some states, or of one user."""
    call = Call("GET", path("admin", "jobs"), {"limit": limit, "cursor": cursor, "state": state, "user_id": user_id})
    return Page[JobOfUser].model_validate((yield from exchange(session, call)).json())


def cancel_job_of_any(session: Session, job_id: str) -> Flow[Job]:
    """Cancel a job, whosever it is. Raises NotFoundError."""
    reply = yield from exchange(session, Call("POST", path("admin", "jobs", job_id, "cancel"), repeatable=True))
    return Job.model_validate(reply.json())


def readiness(session: Session) -> Flow[Readiness]:
    """Whether the service can do its work; anybody may ask. Administrators also hear how each part is that it needs.

    Raises:
        UnreachableError: nothing answers.
        ApiError: something else answers.
    """
    try:
        reply = yield from attempt(session, Call("GET", "/readyz", repeatable=False))
    except AuthenticationError:  # a sign-in that has ended is no reason not to say it
        reply = yield from attempt(session, Call("GET", "/readyz", repeatable=False, authorised=False))
    says = reply if reply.status == 503 and not reply.is_problem else reply.checked()  # a proxy before it has problems
    return Readiness.model_validate(says.json())
