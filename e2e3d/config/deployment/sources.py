"""Where settings come from: the environment first, then the file that ``E2E3D_CONFIG`` names."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from e2e3d.errors import SettingsError

_Settings = TypeVar("_Settings", bound=BaseSettings)
_FILE = "E2E3D_CONFIG"


class EnvironmentOrFile(BaseSettings):
    """Base of all settings: frozen, read from ``E2E3D_NAME`` or from ``name = …`` in the file."""

    model_config = SettingsConfigDict(env_prefix="E2E3D_", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A variable wins over the file."""
        path = os.environ.get(_FILE)
        file = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return (init_settings, env_settings, *file)


def read_settings(kind: type[_Settings], **given: object) -> _Settings:
    """Read settings of one kind; values that are `given`, by name, win over what is read (None is not given).

    Raises:
        SettingsError: ``environment``, naming the variable and its value; ``config-file`` when the file cannot be read;
            ``bad-setting`` for a value that was given.
    """
    _check_file()
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        field = "_".join(str(part) for part in first["loc"][:1])
        if field in chosen:
            message = f"{field}={first['input']} is not valid: {first['msg']}."
            raise SettingsError("bad-setting", message, f"Correct {field}, or leave it out.") from error
        name = f"E2E3D_{field.upper()}"
        secret = any(word in name.lower() for word in ("secret", "password", "metrics_token"))
        shown = "***" if secret else first["input"]
        raise SettingsError(
            "environment", f"{name}={shown!s} is not valid: {first['msg']}.", f"Correct or unset {name}."
        ) from error


def _check_file() -> None:
    path = os.environ.get(_FILE)
    if not path:
        return
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError("config-file", f"{path} cannot be read: {error}.", f"Correct or unset {_FILE}.") from error
    unknown = sorted(set(content) - _known_names(EnvironmentOrFile))
    if unknown:
        raise SettingsError("config-file", f"{path} sets {unknown[0]}, which is no setting.", "Correct its name.")


def _known_names(kind: type[BaseSettings]) -> set[str]:
    names = set(kind.model_fields)
    return names.union(*(_known_names(child) for child in kind.__subclasses__()))
