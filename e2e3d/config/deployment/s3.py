"""How to reach S3."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class S3Options:
    """How to reach S3; None leaves it to the usual AWS environment and configuration files.

    Attributes:
        sse: server-side encryption of everything written: ``AES256``, ``aws:kms``, or ``aws:kms:<key id>``.
        public_endpoint: URL under which clients outside reach the server, for presigned addresses.
    """

    endpoint: str | None = None
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    sse: str | None = None
    public_endpoint: str | None = None
