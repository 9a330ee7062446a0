"""Settings and secrets of the service in a backup, encrypted with a passphrase.

scrypt (RFC 7914) makes a key of the passphrase, Fernet (AES-128-CBC with HMAC-SHA256) encrypts and authenticates, as
the documentation of ``cryptography`` recommends for passwords.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import InputError, SettingsError
from e2e3d.storage.failures import readable

_LEAST = 12
_COST = {"n": 2**15, "r": 8, "p": 1}


def read_passphrase(path: Path) -> str:
    """The passphrase that a file holds in its first line.

    Raises:
        InputError: ``no-file``.
        SettingsError: ``passphrase-short``.
        MachineError: ``no-permission``.
    """
    try:
        with readable(path):
            lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError("no-file", f"{path} does not exist.", "Name the file with the passphrase.") from error
    passphrase = lines[0].strip() if lines else ""
    if len(passphrase) < _LEAST:
        raise SettingsError(
            "passphrase-short",
            f"The passphrase in {path} has {len(passphrase)} characters, fewer than {_LEAST}.",
            "Make one: openssl rand -base64 32",
        )
    return passphrase


def encrypted_configuration(settings: ServiceSettings, passphrase: str) -> bytes:
    """Every setting that differs from its default, as ``E2E3D_NAME=value`` for a shell, with the secrets, encrypted."""
    salt = os.urandom(16)
    header = {"kdf": "scrypt", "salt": base64.b64encode(salt).decode(), **_COST}
    token = Fernet(_key(passphrase, salt, **_COST)).encrypt(_lines(settings).encode())
    return json.dumps(header).encode() + b"\n" + token


def decrypted_configuration(content: bytes, passphrase: str) -> str:
    """The lines ``E2E3D_NAME=value`` again.

    Raises:
        InputError: ``passphrase-wrong``, also when the bytes were changed.
    """
    head, _, token = content.partition(b"\n")
    try:
        given = json.loads(head)
        salt = base64.b64decode(given["salt"])
        key = _key(passphrase, salt, int(given["n"]), int(given["r"]), int(given["p"]))
        return Fernet(key).decrypt(token).decode()
    except (InvalidToken, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "passphrase-wrong",
            "The configuration in the backup does not open with this passphrase.",
            "Use the passphrase that the backup was made with.",
        ) from error


def _key(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return base64.urlsafe_b64encode(Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode()))


def _lines(settings: ServiceSettings) -> str:
    defaults = type(settings).model_fields
    given = {
        name: value
        for name, value in settings
        if value is not None and value != defaults[name].get_default(call_default_factory=True)
    }
    lines = {f"E2E3D_{name.upper()}": shlex.quote(_text(value)) for name, value in given.items()}
    return "".join(f"{name}={value}\n" for name, value in sorted(lines.items()))


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
