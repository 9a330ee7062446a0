"""Write the PrometheusRule of ``cluster/prometheus/rules``; called without arguments."""

from __future__ import annotations

from pathlib import Path

import yaml

HERE = Path(__file__).parent
RULES = HERE.parents[2] / "prometheus" / "rules"


def prometheus_rule() -> str:
    """The manifest as text."""
    groups = [
        group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    ]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "e2e3d"},
        "spec": {"groups": groups},
    }
    return "# Made by rules.py from cluster/prometheus/rules.\n" + yaml.safe_dump(manifest, sort_keys=False, width=120)


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(prometheus_rule(), encoding="utf-8")
