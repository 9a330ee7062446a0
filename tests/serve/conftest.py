from tests.running_service import service
from tests.service.conftest import api, embedded_api

__all__ = ["api", "embedded_api", "service"]
