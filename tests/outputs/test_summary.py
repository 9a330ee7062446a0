from dataclasses import replace
from pathlib import Path

from e2e3d.data.ref import Ref
from e2e3d.data.scene import Remark
from e2e3d.ops.geo.georeferencing import describe_origin
from e2e3d.outputs.export import export_results
from e2e3d.outputs.manifest import read_manifest
from e2e3d.outputs.summary import summary
from tests.synthetic import facts, sample_results


def test_a_summary_says_what_came_out(tmp_path: Path) -> None:
    export_results(tmp_path, sample_results(), facts())
    text = summary(read_manifest(tmp_path))
    assert "5 of 7 in the model" in text
    assert "torn.jpg: torn.jpg cannot be decoded" in text
    assert "model.glb" in text
    assert "dense.laz" not in text
    assert len(text.splitlines()) < 25


def test_why_gps_was_not_used_stands_in_info_manifest_and_report(tmp_path: Path) -> None:
    remark = Remark("gps-outlier", "The GPS position of IMG_0002.jpg is up to 9 km away.", ("IMG_0002.jpg",))
    results = sample_results()
    earth = replace(describe_origin((47.4, 8.5, 450.0), 3.0), horizontal_error_m=1.5, vertical_error_m=2.25)
    scene = replace(results.mapping.scene, remarks=(remark,), georeference=earth, frame="georeferenced")
    export_results(tmp_path, replace(results, mapped=Ref.of(replace(results.mapping, scene=scene))), facts())
    manifest = read_manifest(tmp_path)
    assert manifest.remarks == (remark,)
    assert manifest.georeference is not None
    assert manifest.georeference["horizontal_error_m"] == 1.5
    assert [photo.name for photo in manifest.photographs if remark.message in photo.remarks] == ["IMG_0002.jpg"]
    assert remark.message in summary(manifest)
    assert "fits GPS to 1.50 m horizontally, 2.25 m in height" in summary(manifest)
    report = (tmp_path / "report.html").read_text()
    assert remark.message in report
    assert "1.50 m horizontally, 2.25 m in height" in report
