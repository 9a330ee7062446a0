"""The services of a Compose file, with variables replaced and volumes found, as records."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOYED = ("core", "monitoring")
"""The profiles that are started."""
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-((?:[^{}]|\$\{[^}]*\})*))?\}")


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine that a container sees at `target`."""

    source: Path
    target: str
    writable: bool


@dataclass(frozen=True)
class Service:
    """What Compose says of a container; what it leaves open comes from the image.

    Attributes:
        command: None leaves it to the image.
        user: ``uid:gid``, None likewise.
        health: the command that says whether it is well; None leaves it to the image, () means that nobody asks.
        depends_on: the services that must be there before, and whether they must be well: healthy, or done.
        ends: that it is done when it has ended well, and is not started again.
        shm_size: of ``/dev/shm``, as mount(8) takes it.
    """

    name: str
    image: str
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: dict[str, str]
    mounts: tuple[Mount, ...]
    temporary: tuple[str, ...]
    user: str | None
    health: tuple[str, ...] | None
    depends_on: dict[str, bool]
    aliases: tuple[str, ...]
    shm_size: str
    stop_s: float
    ends: bool


def read_compose(file: Path, variables: Mapping[str, str], volumes: Path) -> dict[str, Service]:
    """The services of the profiles in :data:`DEPLOYED`.

    Args:
        file: the Compose file; relative paths in it are relative to its folder.
        variables: what ``${NAME:-default}`` stands for.
        volumes: the folder in which named volumes lie.
    """
    content = _replaced(yaml.safe_load(file.read_text("utf-8")), variables)
    secrets = {name: _place(secret["file"], file.parent, volumes) for name, secret in content["secrets"].items()}

    def service(name: str, said: dict[str, Any]) -> Service:
        mounts = [Mount(secrets[each], f"/run/secrets/{each}", False) for each in said.get("secrets", ())]
        for volume in said.get("volumes", ()):
            source, target, *options = volume.split(":")
            mounts.append(Mount(_place(source, file.parent, volumes), target, options != ["ro"]))
        return Service(
            name,
            said["image"],
            _words(said.get("entrypoint")),
            _words(said.get("command")),
            {key: str(value) for key, value in said.get("environment", {}).items()},
            tuple(mounts),
            tuple(said.get("tmpfs", ())),
            said.get("user"),
            _health(said.get("healthcheck")),
            _conditions(said.get("depends_on", {})),
            _aliases(said["networks"]),
            said.get("shm_size", "64m"),
            float(said.get("stop_grace_period", "10s").removesuffix("s")),
            said["restart"] == "on-failure",
        )

    chosen = {name: said for name, said in content["services"].items() if set(said["profiles"]) & set(DEPLOYED)}
    return {name: service(name, said) for name, said in chosen.items()}


def _replaced(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _replaced(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_replaced(value, variables) for value in node]
    if not isinstance(node, str):
        return node

    def value_of(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else str(variables.get(found[1]) or found[2] or "")

    return _VARIABLE.sub(value_of, node)


def _place(source: str, folder: Path, volumes: Path) -> Path:
    if source.startswith("/"):
        return Path(source)
    return (folder / source).resolve() if source.startswith(".") else volumes / source


def _words(said: str | list[str] | None) -> tuple[str, ...] | None:
    if said is None:
        return None
    return tuple(shlex.split(said)) if isinstance(said, str) else tuple(said)


def _health(said: dict[str, Any] | None) -> tuple[str, ...] | None:
    if said is None:
        return None
    if said.get("disable"):
        return ()
    kind, *words = said["test"]
    return ("sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)


def _conditions(said: list[str] | dict[str, dict[str, str]]) -> dict[str, bool]:
    if isinstance(said, list):
        return dict.fromkeys(said, False)
    return {name: condition["condition"] != "service_started" for name, condition in said.items()}


def _aliases(networks: list[str] | dict[str, dict[str, Any]]) -> tuple[str, ...]:
    if isinstance(networks, list):
        return ()
    return tuple(alias for network in networks.values() for alias in network.get("aliases", ()))
