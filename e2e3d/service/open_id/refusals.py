"""Why somebody was not signed in by the provider."""

from __future__ import annotations


class OpenIdRefused(Exception):  # noqa: N818 - a refusal is no error of ours
    """A sign-in that ends without a login.

    Args:
        code: that the page has words for: ``oidc-state``, ``oidc-provider``, ``oidc-token``, ``oidc-email``,
            ``oidc-domain``, ``oidc-account``, ``oidc-denied``.
        reason: for the audit log, without secrets.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason
