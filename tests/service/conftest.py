from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.api import Api, open_api


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """The application with an administrator and two users, on both databases."""
    with open_api(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def embedded_api(tmp_path: Path) -> Iterator[Api]:
    """The same, on SQLite only."""
    with open_api(f"sqlite:///{tmp_path / 'embedded.sqlite'}", tmp_path) as opened:
        yield opened
