"""API keys: tokens for programs, with scopes and an end."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, Response

from e2e3d.service.accounts.own_routes import require_login
from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer
from e2e3d.service.sign_in.tokens import new_api_key
from e2e3d.service.sign_in.wire import ApiKeyOut, MadeApiKey, NewApiKey

MAX_KEYS = 100

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"], responses=problem_responses(401, 403, 413, 422, 503))


@router.get("", summary="List your API keys")
def list_api_keys(caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> Page[ApiKeyOut]:
    """Your API keys, the newest first, without their secret parts."""
    with services.database.reading() as session:
        found = tokens.api_keys(session, caller.id, limit + 1, position_of(cursor))
    keys, next_cursor = page_of(found, limit, lambda key: (key.created_at, key.id))
    return Page(items=tuple(ApiKeyOut.of(key) for key in keys), next_cursor=next_cursor)


@router.post("", summary="Make an API key", status_code=201, responses=problem_responses(409))
def create_api_key(body: NewApiKey, caller: Writer, services: ServicesOf) -> MadeApiKey:
    """Make an API key. The answer is the only one that shows it. Needs a login: a key may not make keys."""
    require_login(caller)
    scopes = tuple(dict.fromkeys(body.scopes))
    beyond = [scope for scope in scopes if scope not in caller.scopes]
    if beyond:
        raise ProblemError(403, "scope-missing", f"You may not give the scope `{beyond[0]}`.", "Leave it out.")
    at = now()
    expires_at = None if body.expires_in_days is None else at + datetime.timedelta(days=body.expires_in_days)
    secret = new_api_key()
    with services.database.session() as session:
        if tokens.count_api_keys(session, caller.id, at) >= MAX_KEYS:
            raise ProblemError(409, "too-many-keys", f"You have {MAX_KEYS} API keys already.", "Revoke one of them.")
        key = tokens.add_api_key(session, caller.id, body.name, secret.prefix, secret.hash, scopes, at, expires_at)
        audit.record(session, caller.actor, "api-key.create", "api-key", key.id, scopes=list(scopes))
    return MadeApiKey.from_record(key, key=secret.value)


@router.delete("/{key_id}", summary="Revoke an API key", status_code=204, responses=problem_responses(404))
def revoke_api_key(key_id: ResourceId, caller: Writer, services: ServicesOf) -> Response:
    """Revoke one of your API keys; it is refused from the next request on."""
    with services.database.session() as session:
        if not tokens.revoke_api_key(session, caller.id, key_id, now()):
            raise missing("API key")
        audit.record(session, caller.actor, "api-key.revoke", "api-key", key_id)
    return Response(status_code=204)
