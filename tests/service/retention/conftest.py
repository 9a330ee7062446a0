from tests.service.intake.conftest import place

__all__ = ["place"]
