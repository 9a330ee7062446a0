"""A bridge with a network address for every container, as Compose's network `inside`: nobody else reaches it."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path


class Network:
    """A subnet of 254 addresses below 10.88.0.0/16; the machine itself has the last one.

    Args:
        mark: four hexadecimal digits that name what belongs to it.
    """

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.prefix = f"10.88.{int(mark[:2], 16)}"
        self.bridge = f"e2e3d-{mark}"

    @property
    def subnet(self) -> str:
        """As CIDR."""
        return f"{self.prefix}.0/24"

    def address(self, number: int) -> str:
        """Of the container with that number, from 0 on."""
        return f"{self.prefix}.{number + 2}"

    def space(self, number: int) -> str:
        """The network namespace of a container."""
        return f"e2e3d-{self.mark}-{number}"

    def open(self) -> None:
        """Make the bridge."""
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self.prefix}.254/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    def add(self, number: int) -> None:
        """Give a container its link and address."""
        add_space(self.space(number), f"e3d{self.mark}{number}", self.bridge, self.address(number))

    def close(self, count: int) -> None:
        """Remove everything that belongs to it, as far as it is there."""
        for number in range(count):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", self.space(number))
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", self.bridge)

    @staticmethod
    def taken() -> set[str]:
        """The marks of networks that are there."""
        return {path.name.removeprefix("e2e3d-") for path in Path("/sys/class/net").glob("e2e3d-????")}


def add_space(space: str, link: str, bridge: str, address: str) -> None:
    """Make a network namespace whose ``eth0`` has the address (of 24 bits), and join it to the bridge by a link."""
    ip("netns", "add", space)
    ip("-n", space, "link", "set", "lo", "up")
    ip("link", "add", "eth0", "netns", space, "type", "veth", "peer", "name", link)
    ip("link", "set", link, "master", bridge, "up")
    ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
    ip("-n", space, "link", "set", "eth0", "up")


def ip(*arguments: str) -> None:
    """Run ``ip``; CalledProcessError where it fails."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
