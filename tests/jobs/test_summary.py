from pathlib import Path

from e2e3d.jobs.export import export_results
from e2e3d.jobs.manifest import read_manifest
from e2e3d.jobs.summary import summary
from tests.synthetic import facts, sample_results


def test_a_summary_says_what_came_out(tmp_path: Path) -> None:
    export_results(tmp_path, sample_results(), facts())
    text = summary(read_manifest(tmp_path))
    assert "5 of 7 in the model" in text
    assert "torn.jpg: torn.jpg cannot be decoded" in text
    assert "model.glb" in text
    assert "dense.laz" not in text
    assert len(text.splitlines()) < 25
