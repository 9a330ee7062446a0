from __future__ import annotations

import pytest

from e2e3d.config.deployment import ServiceSettings, load_settings
from e2e3d.config.deployment.service import load_service_settings
from e2e3d.errors import SettingsError

NUMBERS = [name for name, field in ServiceSettings.model_fields.items() if field.annotation in (int, float)]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_defaults_suit_one_machine() -> None:
    settings = load_settings()
    assert (settings.store, settings.address, settings.device) == (None, None, "auto")


def test_the_environment_is_read_and_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E3D_STORE", "s3://bucket/prefix")
    monkeypatch.setenv("E2E3D_S3_SECRET", "very-secret")
    monkeypatch.setenv("E2E3D_DEVICE", "CPU")
    settings = load_settings()
    assert (settings.store, settings.s3_secret, settings.device) == ("s3://bucket/prefix", "very-secret", "cpu")
    assert "very-secret" not in repr(settings)


def test_a_job_inside_a_cluster_joins_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert load_settings().address == "10.0.0.1:6379"
    monkeypatch.setenv("E2E3D_RAY_ADDRESS", "10.0.0.2:6379")
    assert load_settings().address == "10.0.0.2:6379"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["-1", "9" * 400, "1e999", "nan"])
def test_numbers_of_the_service_have_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"E2E3D_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"E2E3D_{name.upper()}"):
        load_service_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("E2E3D_DEVICE", "gpu"),
        ("E2E3D_STORE", "ftp://host/x"),
        ("E2E3D_STORE", "memory://somewhere"),
        ("E2E3D_S3_ENDPOINT", "localhost:9000"),
        ("E2E3D_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}={value}") as caught:
        load_settings()
    assert caught.value.exit_code == 2


def test_labels_of_nodes_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E3D_SERVE_LABELS", "e2e3d=service, zone=a")
    assert ServiceSettings().serve_labels == (("e2e3d", "service"), ("zone", "a"))
    monkeypatch.setenv("E2E3D_SERVE_LABELS", "service")
    with pytest.raises(ValueError, match="label=value"):
        ServiceSettings()
