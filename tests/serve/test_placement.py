"""What a deployment asks Ray for, and what of the settings travels with it, where the dashboard shows it."""

from __future__ import annotations

import pytest

from e2e3d.config.deployment import ServiceSettings
from e2e3d.serve.deployment import api_application, runner_application

KEY = "a-secret-key-of-tests-that-is-long-enough"


@pytest.mark.parametrize("from_file", [False, True])
def test_the_secret_key_travels_only_where_nodes_have_no_settings_file(
    monkeypatch: pytest.MonkeyPatch, from_file: bool
) -> None:
    if from_file:
        monkeypatch.setenv("E2E3D_CONFIG", "/run/secrets/e2e3d.toml")
    settings = ServiceSettings.model_construct(secret_key=KEY, ray_address="head:6379")
    options = runner_application(settings)._bound_deployment.ray_actor_options
    assert (KEY in options["runtime_env"]["env_vars"].values()) is not from_file


def test_replicas_and_runner_are_placed_where_the_labels_say() -> None:
    settings = ServiceSettings(serve_labels="e2e3d=service")
    for application in (api_application(settings), runner_application(settings)):
        options = application._bound_deployment.ray_actor_options
        assert options == {"num_cpus": 0, "label_selector": {"e2e3d": "service"}}
    assert "label_selector" not in api_application(ServiceSettings())._bound_deployment.ray_actor_options
