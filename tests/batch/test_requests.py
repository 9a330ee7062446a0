"""Which lines make a batch, and which are refused before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e3d.batch.requests import ImageSet, read_image_sets
from e2e3d.errors import InputError


def written(folder: Path, *lines: Any) -> Path:
    path = folder / "sets.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    line = {"name": "a", "photos": "one", "quality": "low", "settings": {"depth.max_size_px": 320}, "masks": "m.zip"}
    line |= {"scale": 2.0, "known_distance": ["A.jpg", "B.jpg", 3]}
    first, second = read_image_sets(written(tmp_path, line, "", {"name": "b", "photos": "s3://x/y"}))
    assert first == ImageSet(
        "a",
        str(tmp_path / "one"),
        "low",
        {"depth.max_size_px": 320},
        None,
        str(tmp_path / "m.zip"),
        2.0,
        ("A.jpg", "B.jpg", 3.0),
    )
    assert second == ImageSet("b", "s3://x/y")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is no JSON"),
        ([1], "at least name and photos"),
        ({"name": "a"}, "at least name and photos"),
        ({"name": "a", "photos": "p", "qualty": "low"}, "'qualty', which is none of name, photos, quality"),
        ({"name": "../a", "photos": "p"}, "letters, digits"),
        ({"name": 3, "photos": "p"}, "name must be a text"),
        ({"name": "a", "photos": "p", "quality": "best"}, "There is no quality best"),
        ({"name": "a", "photos": "p", "settings": {"depth.maxsize": 1}}, "Did you mean depth.max_size_px"),
        ({"name": "a", "photos": "p", "settings": [1]}, "settings must be an object"),
        ({"name": "a", "photos": "p", "scale": -1}, "scale is -1 metres"),
        ({"name": "a", "photos": "p", "known_distance": ["A", 2]}, 'must be \\["A.jpg"'),
    ],
)
def test_a_wrong_line_is_named(line: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_image_sets(written(tmp_path, {"name": "first", "photos": "p"}, line))
    assert caught.value.code == "batch-file"
    assert "line 2" in caught.value.message


def test_names_are_unique_and_there_is_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names A twice"):
        read_image_sets(written(tmp_path, {"name": "a", "photos": "p"}, {"name": "A", "photos": "q"}))
    with pytest.raises(InputError, match="names no image set"):
        read_image_sets(written(tmp_path, ""))
    with pytest.raises(InputError, match="cannot be read"):
        read_image_sets(tmp_path / "none.jsonl")


def test_the_digest_follows_everything_but_the_name() -> None:
    one = ImageSet("a", "p")
    assert one.digest("files") == ImageSet("b", "p").digest("files")
    assert len({one.digest("files"), one.digest("others"), ImageSet("a", "p", "low").digest("files")}) == 3
