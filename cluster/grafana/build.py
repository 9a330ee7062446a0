"""Write the dashboards as Grafana reads them, a JSON file each: ``python -m cluster.grafana.build FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as StatPanel
from grafana_foundation_sdk.builders.timeseries import Panel as TimeseriesPanel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos

from cluster.grafana.dashboards import DASHBOARDS, DashboardSpec, PanelSpec

_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
_COLUMNS = 24


def dashboard_json(spec: DashboardSpec) -> str:
    """One dashboard; addresses and ids are the same at every build."""
    builder = Dashboard(spec.title).uid(f"e2e3d-{spec.name}").tags(["e2e3d"]).readonly()
    builder.refresh("30s").time("now-6h", "now").timezone("browser")
    for panel, place in zip(spec.panels, _places(spec.panels), strict=True):
        builder.with_panel(_panel(panel, place))
    return str(JSONEncoder(sort_keys=True, indent=2).encode(builder.build())) + "\n"


def _places(panels: Iterable[PanelSpec]) -> Iterator[GridPos]:
    """Panels side by side in rows, each as high as its highest; single figures are half as wide as lines over time."""
    x = y = row = 0
    for panel in panels:
        width, height = (6, 5) if panel.single else (12, 8)
        if x + width > _COLUMNS:
            x, y, row = 0, y + row, 0
        yield GridPos(h=height, w=width, x=x, y=y)
        x, row = x + width, max(row, height)


def _panel(spec: PanelSpec, place: GridPos) -> StatPanel | TimeseriesPanel:
    kind = StatPanel if spec.single else TimeseriesPanel
    panel = kind().title(spec.title).description(spec.about).unit(spec.unit).datasource(_SOURCE)
    panel.grid_pos(place)
    for letter, (called, expression) in zip("ABCDEFGH", spec.lines.items(), strict=False):
        panel.with_target(Dataquery().ref_id(letter).expr(expression).legend_format(called).datasource(_SOURCE))
    return panel


def main(folder: Path) -> None:
    """Write every dashboard."""
    folder.mkdir(parents=True, exist_ok=True)
    for spec in DASHBOARDS:
        (folder / f"{spec.name}.json").write_text(dashboard_json(spec), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
