from tests.service.conftest import api, embedded_api

__all__ = ["api", "embedded_api"]
