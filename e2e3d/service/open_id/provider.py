"""The provider as OpenID Connect Core 1.0 has it: authorization code with PKCE (RFC 7636), discovery, signed tokens.

HTTP is httpx's, signatures are checked by joserfc and claims by Authlib.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from e2e3d.config.deployment.identity import IdentitySettings
from e2e3d.service.open_id.records import Attempt, Identity
from e2e3d.service.open_id.refusals import OpenIdRefused

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that only the provider can make: neither none nor a shared secret."""
_TIMEOUT_S = 10.0
_LEEWAY_S = 60
_FRESH_S = 3600.0
_AWAY_S = 5.0  # a provider that is away is not asked by everybody
_KEYS_AGAIN_S = 60.0  # a token with an unknown key makes nobody ask more often


class OpenIdProvider:
    """One provider; what it says of itself is asked for when it is first needed, and again every hour.

    Args:
        settings: with an issuer and a client id.
        redirect_uri: where the provider sends browsers back to.
    """

    def __init__(self, settings: IdentitySettings, redirect_uri: str) -> None:
        self._settings, self._redirect_uri = settings, redirect_uri
        self._http = httpx.Client(timeout=_TIMEOUT_S)
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, Any]] = {}

    @property
    def name(self) -> str:
        """What the page calls it."""
        return self._settings.oidc_name or str(httpx.URL(self._settings.oidc_issuer or "").host)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def authorization_url(self, attempt: Attempt) -> str:
        """Where a browser is sent to sign in. Raises OpenIdRefused."""
        url: str = prepare_grant_uri(
            self._metadata()["authorization_endpoint"],
            client_id=self._settings.oidc_client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope=self._settings.oidc_scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    def identity_of(self, code: str, attempt: Attempt) -> Identity:
        """Exchange a code for what the provider says of who signed in.

        Raises:
            OpenIdRefused: ``oidc-provider``, or ``oidc-token`` when its token is not for this sign-in.
        """
        answer = self._token(code, attempt.verifier)
        try:
            claims = self._claims(str(answer["id_token"]))
            options = {
                "iss": {"essential": True, "value": self._settings.oidc_issuer},
                "aud": {"essential": True, "value": self._settings.oidc_client_id},
                "nonce": {"essential": True, "value": attempt.nonce},
            }
            params = {"nonce": attempt.nonce, "client_id": self._settings.oidc_client_id}
            params |= {"access_token": answer["access_token"]} if "access_token" in answer else {}
            checked = CodeIDToken(claims.claims, claims.header, options, params)
            checked.validate(leeway=_LEEWAY_S)
        except (JoseError, KeyError, ValueError, TypeError) as error:
            raise OpenIdRefused("oidc-token", f"{type(error).__name__}: {error}") from error
        return self._identity(checked)

    def _claims(self, token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(token, self._keys(_FRESH_S), registry=registry)
        except (InvalidKeyIdError, ValueError):  # the provider may have new keys
            return jwt.decode(token, self._keys(_KEYS_AGAIN_S), registry=registry)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        settings = self._settings
        claim, _, wanted = (settings.oidc_admin_claim or "").partition("=")
        has = claims.get(claim)
        is_admin = None if not claim else wanted in has if isinstance(has, list) else has == wanted
        verified = claims.get("email_verified", settings.oidc_trust_email) in (True, "true")
        address = str(claims.get("email") or "").strip()
        email = address if verified and all(address.rpartition("@")) else None
        return Identity(str(settings.oidc_issuer), str(claims["sub"]), email, str(claims.get("name") or ""), is_admin)

    def _token(self, code: str, verifier: str) -> Mapping[str, Any]:
        settings, metadata = self._settings, self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
            "client_id": str(settings.oidc_client_id),
        }
        basic = None
        ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if settings.oidc_client_secret and "client_secret_basic" in ways:
            basic = (str(settings.oidc_client_id), settings.oidc_client_secret)
        elif settings.oidc_client_secret:
            form["client_secret"] = settings.oidc_client_secret
        answer: Mapping[str, Any] = self._asked("POST", metadata["token_endpoint"], data=form, auth=basic)
        return answer

    def _metadata(self) -> Mapping[str, Any]:
        issuer = str(self._settings.oidc_issuer)
        found: Mapping[str, Any] = self._kept(f"{issuer.rstrip('/')}/.well-known/openid-configuration", _FRESH_S)
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != issuer or not all(isinstance(found.get(name), str) for name in needed):
            raise OpenIdRefused("oidc-provider", f"the document of {issuer} names another issuer, or lacks an address")
        return found

    def _keys(self, fresh_s: float) -> KeySet:
        return KeySet.import_key_set(self._kept(self._metadata()["jwks_uri"], fresh_s))

    def _kept(self, url: str, fresh_s: float) -> Any:
        with self._lock:
            at_s, said = self._said.get(url, (float("-inf"), None))
        old_s = time.monotonic() - at_s
        if old_s > (_AWAY_S if isinstance(said, OpenIdRefused) else fresh_s):
            try:
                said = self._asked("GET", url)
            except OpenIdRefused as refused:
                said = refused
            with self._lock:
                self._said[url] = (time.monotonic(), said)
        if isinstance(said, OpenIdRefused):
            raise said
        return said

    def _asked(self, method: str, url: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, url, headers={"Accept": "application/json"}, **arguments)
            answer.raise_for_status()
            document = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise OpenIdRefused("oidc-provider", f"{url}: {error}") from error
        if not isinstance(document, dict):
            raise OpenIdRefused("oidc-provider", f"{url}: no object")
        return document
