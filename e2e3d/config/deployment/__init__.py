"""Deployment settings: from variables ``E2E3D_…``, and from the file that ``E2E3D_CONFIG`` names."""

from e2e3d.config.deployment.engine import Settings, load_settings
from e2e3d.config.deployment.service import ServiceSettings, load_service_settings

__all__ = ["ServiceSettings", "Settings", "load_service_settings", "load_settings"]
