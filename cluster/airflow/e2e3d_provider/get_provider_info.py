"""What Airflow asks every provider: its connection type and where its classes are."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

PACKAGE = "airflow-provider-e2e3d"
_INTEGRATION = "E2E3D"


def get_provider_info() -> dict[str, Any]:
    """The description, as ``airflow/provider_info.schema.json`` wants it; imports neither Airflow nor the client."""

    def modules(kind: str) -> list[dict[str, Any]]:
        return [{"integration-name": _INTEGRATION, "python-modules": [f"e2e3d_provider.{kind}"]}]

    return {
        "package-name": PACKAGE,
        "name": "E2E3D",
        "description": "Photographs in, textured 3D models out.",
        "versions": [version(PACKAGE)],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://pypi.org/project/e2e3d/",
                "tags": ["service"],
            }
        ],
        "connection-types": [{"connection-type": "e2e3d", "hook-class-name": "e2e3d_provider.hooks.E2E3DHook"}],
        "hooks": modules("hooks"),
        "operators": modules("operators"),
        "sensors": modules("sensors"),
        "triggers": modules("triggers"),
    }
