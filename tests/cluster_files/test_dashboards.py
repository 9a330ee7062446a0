"""Dashboards ask only for what is exported, and are files that Grafana reads."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from cluster.grafana.build import main
from cluster.grafana.dashboards import DASHBOARDS
from scripts.metrics_page import series_names
from tests.cluster_files.test_alert_rules import EXPORTED, metrics_in, rules
from tests.command import ROOT

ALSO_EXPORTED = {
    "ALERTS": "Prometheus",
    "node_cpu_seconds_total": "node_exporter",
    "probe_duration_seconds": "blackbox_exporter",
    "ray_node_gram_available": "Ray",
    "ray_node_gram_used": "Ray",
}
"""Metrics in dashboards that others export, and who does."""


def test_every_metric_in_a_dashboard_is_exported() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    lines = [line for board in DASHBOARDS for panel in board.panels for line in panel.lines.values()]
    used = {name for line in lines for name in metrics_in(line)}
    assert used - series_names() - recorded - EXPORTED.keys() - ALSO_EXPORTED.keys() == set()
    assert ALSO_EXPORTED.keys() - used == set()


def test_dashboards_are_files_of_grafana(tmp_path: Path) -> None:
    main(tmp_path)
    boards = {path.stem: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert boards.keys() == {"overview", "jobs", "stages", "gpu", "service", "storage", "users"}
    provisioning = ROOT / "cluster" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    for spec in DASHBOARDS:
        board = boards[spec.name]
        assert (board["uid"], board["title"]) == (f"e2e3d-{spec.name}", spec.title)
        asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        assert asked == [line for panel in spec.panels for line in panel.lines.values()]
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
        assert len(set(places)) == len(places)
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])
