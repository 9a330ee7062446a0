"""Where a sign-in, or an API key, is kept between commands: a file that only its owner can read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from e2e3d.errors import MachineError

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Tokens:
    """What a sign-in gave: a short-lived access token, a refresh token, and when the first ends (Unix seconds)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at_s: float


@dataclass(frozen=True)
class ApiKeyLogin:
    """An API key that was kept instead of a sign-in with a password."""

    api_key: str = field(repr=False)


Login = Tokens | ApiKeyLogin


def credentials_path() -> Path:
    """``$XDG_CONFIG_HOME/e2e3d/credentials.json``, by default in ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "e2e3d" / "credentials.json"


class CredentialsFile:
    """Logins by the address of the service. Its lock is held while tokens change, across processes."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or credentials_path()

    def tokens(self, url: str) -> Tokens | None:
        """Of the service at `url`, if anybody has signed in there with a password."""
        try:
            return Tokens(**self._entry(url))
        except TypeError:
            return None

    def api_key(self, url: str) -> str | None:
        """The key that was kept for the service at `url`."""
        key = self._entry(url).get("api_key")
        return key if isinstance(key, str) else None

    def default_url(self) -> str | None:
        """The service that was signed in to last."""
        url = self._read().get("default")
        return url if isinstance(url, str) else None

    def device_token(self, url: str, email: str) -> str | None:
        """What the last sign-in to this account gave, so that the service knows this device again."""
        token = self._read().get("devices", {}).get(url, {}).get(email)
        return token if isinstance(token, str) else None

    def keep_device_token(self, url: str, email: str, token: str) -> None:
        """Remember it, also after signing out. Raises MachineError ``no-permission``."""
        document = self._read()
        document.setdefault("devices", {}).setdefault(url, {})[email] = token
        self._write(document)

    def keep(self, url: str, login: Login | None, make_default: bool = False) -> None:
        """Remember the login of a service; None forgets it. Raises MachineError ``no-permission``."""
        document = self._read()
        services = document.setdefault("services", {})
        if login is None:
            services.pop(url, None)
        else:
            services[url] = asdict(login)
        if make_default:
            document["default"] = url
        self._write(document)

    def _write(self, document: dict[str, Any]) -> None:
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with self._permitted():
            self._make_folder()
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
            temporary.replace(self.path)

    @contextlib.contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Whether this process holds the lock of the file while the block runs; never waits."""
        with self._permitted():
            self._make_folder()
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _entry(self, url: str) -> dict[str, Any]:
        entry = self._read().get("services", {}).get(url)
        return entry if isinstance(entry, dict) else {}

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        except OSError as error:
            raise self._refused(error) from error
        return document if isinstance(document, dict) else {}

    def _make_folder(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextlib.contextmanager
    def _permitted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> MachineError:
        return MachineError(
            "no-permission", f"{self.path} cannot be used: {error.strerror}.", "Correct its permissions and owner."
        )
