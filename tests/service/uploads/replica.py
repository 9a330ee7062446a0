"""One replica of the application in a process of its own: `python replica.py PORT`, with settings from E2E3D_*."""

import sys

import uvicorn

from e2e3d.config.deployment import load_service_settings
from e2e3d.serve.app import create_app
from e2e3d.service.database import upgrade
from e2e3d.service.services import build_services

if __name__ == "__main__":
    services = build_services(load_service_settings())
    upgrade(services.database)
    uvicorn.run(create_app(services), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
