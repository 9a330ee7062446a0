"""How an account is shown."""

from __future__ import annotations

from e2e3d.client.commands.output import moment
from e2e3d.client.display import size
from e2e3d.client.models import User


def account_fields(user: User) -> dict[str, str | None]:
    """What people want to know of an account."""
    return {
        "user": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "state": account_state(user),
        "stored": f"{size(user.stored_bytes)} of {size(user.quotas.bytes)}",
        "photographs": f"at most {user.quotas.photos} a job",
        "unfinished jobs": f"at most {user.quotas.jobs}",
    }


def account_state(user: User) -> str:
    """Whether an account is in use, or when it goes."""
    if user.deleted_at is not None:
        return f"deleted, goes at {moment(user.purge_at)}"
    return "disabled" if user.disabled else "enabled"
