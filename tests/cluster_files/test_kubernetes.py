"""The manifests of Kubernetes: rendered by kubectl, valid, and as production wants them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from cluster.kubernetes.components.monitoring.rules import prometheus_rule
from e2e3d.config.deployment import ServiceSettings
from e2e3d.tasks.ray_environment import SERVICE_ENVIRONMENT
from tests.command import ROOT
from tests.servers import program

FOLDER = ROOT / "cluster" / "kubernetes"
OVERLAYS = ("production", "small", "gpu", "batch")
KUBERNETES = "1.34"
WITHOUT_SCHEMA = ("postgresql.cnpg.io", "monitoring.coreos.com", "gateway.networking.k8s.io")
Manifest = dict[str, Any]


@cache
def rendered(overlay: str) -> tuple[Manifest, ...]:
    folder = FOLDER / "batch" if overlay == "batch" else FOLDER / "overlays" / overlay
    kubectl = program("kubectl", Path(sys.executable).parent)
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, kind: str) -> list[Manifest]:
    return [manifest for manifest in rendered(overlay) if manifest["kind"] == kind]


def pods(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """Every pod template with a name for it, those inside KubeRay's objects too."""

    def within(name: str, node: Any) -> Iterator[tuple[str, Manifest]]:
        if isinstance(node, dict):
            if "containers" in node.get("spec", {}):
                yield name, node
                return
            for key, value in node.items():
                yield from within(f"{name}/{node.get('groupName', key)}", value)
        elif isinstance(node, list):
            for value in node:
                yield from within(name, value)

    for manifest in rendered(overlay):
        yield from within(f"{manifest['kind']}/{manifest['metadata']['name']}", manifest.get("spec", {}))


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


@cache
def schemas_of_kubernetes() -> tuple[Path, Registry]:
    """The folder of strict schemas, and what they refer to: read once, since it is large."""
    folders = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    (folder,) = folders.glob(f"v{KUBERNETES}.*-local-strict")
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text("utf-8")))
    return folder, definitions @ Registry()


def faults_of_kubernetes(manifest: Manifest) -> list[str]:
    folder, registry = schemas_of_kubernetes()
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", manifest["apiVersion"])
    schema = json.loads((folder / f"{manifest['kind'].lower()}-{group}.json").read_text("utf-8"))
    validator = Draft202012Validator(schema, registry=Resource.from_contents(schema) @ registry)
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(manifest)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid(overlay: str) -> None:
    for manifest in rendered(overlay):
        group = manifest["apiVersion"].split("/")[0]
        if group == "ray.io":
            assert faults_of_kuberay(manifest) == []
        elif group not in WITHOUT_SCHEMA:
            assert faults_of_kubernetes(manifest) == [], manifest["metadata"]["name"]
    for name, pod in pods(overlay):
        as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"} | pod["metadata"], "spec": pod["spec"]}
        assert faults_of_kubernetes(as_pod) == [], name


def test_a_fault_is_found() -> None:
    service = of_kind("small", "Service")[0]
    assert faults_of_kubernetes(service | {"spec": service["spec"] | {"selektor": {}}})
    (ray,) = of_kind("small", "RayService")
    assert faults_of_kuberay(ray | {"spec": ray["spec"] | {"serveConfig": ""}})


def faults_of_kuberay(manifest: Manifest) -> list[str]:
    path = Path(__file__).parent / "kuberay" / f"{manifest['kind'].lower()}s.json"
    schema = strict(json.loads(path.read_text("utf-8")))
    schema["properties"]["metadata"] = {"type": "object"}
    errors = Draft202012Validator(schema).iter_errors(manifest)
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in errors]


def strict(schema: Any) -> Any:
    """The schema with unknown keys as errors, as a server with strict field validation has it."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {
        key: {n: strict(s) for n, s in value.items()} if key == "properties" else strict(value)
        for key, value in schema.items()
    }
    free = "additionalProperties" in made or made.get("x-kubernetes-preserve-unknown-fields")
    return (
        made
        if free or made.get("type") != "object" or "properties" not in made
        else made | {"additionalProperties": False}
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted_and_say_what_they_need(overlay: str) -> None:
    found = dict(pods(overlay))
    assert found
    for name, pod in found.items():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(pod):
            limits = container["securityContext"]
            assert limits["allowPrivilegeEscalation"] is False, name
            assert limits["capabilities"] == {"drop": ["ALL"]}, name
            assert limits["readOnlyRootFilesystem"] is True, name
            needs = container["resources"]
            assert {"cpu", "memory"} <= needs["requests"].keys(), name
            assert "memory" in needs["limits"], name
            assert ":" in container["image"].rsplit("/", 1)[-1], name
            assert not container["image"].endswith(":latest"), name
            assert not any(
                "value" in each and "password" in each["name"].lower() and not each["value"].startswith("/")
                for each in container.get("env", ())
            ), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_named_exists(overlay: str) -> None:
    made = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered(overlay)}
    made |= (
        {("ConfigMap", "batch")} if overlay == "batch" else set()
    )  # the list of image sets, which its operator makes
    secrets = {"e2e3d", "e2e3d-storage", "e2e3d-ray", "e2e3d-tls", "postgres-owner"}
    for name, pod in pods(overlay):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        claims = {claim["claimName"] for volume in volumes.values() if (claim := volume.get("persistentVolumeClaim"))}
        assert {("PersistentVolumeClaim", claim) for claim in claims} <= made, name
        for container in containers(pod):
            sources = [source["configMapRef"]["name"] for source in container.get("envFrom", ())]
            assert {("ConfigMap", source) for source in sources} <= made, name
            mounts = {mount["name"] for mount in container.get("volumeMounts", ())}
            assert mounts <= volumes.keys() | {"data"}, name
        for volume in volumes.values():
            assert volume.get("secret", {}).get("secretName", "e2e3d") in secrets, name
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made, name
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in made
    labels = [pod["metadata"].get("labels", {}) for _, pod in pods(overlay)]
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"]
        groups = wanted.keys() == {"ray.io/group"}  # KubeRay sets it
        assert groups or any(wanted.items() <= each.items() for each in labels), wanted


@pytest.mark.parametrize("overlay", ["production", "small", "gpu"])
def test_nothing_is_allowed_that_no_policy_names(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    closed = [each["spec"] for each in policies if each["metadata"]["name"] == "deny-all"]
    assert closed == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    selected = [each["spec"]["podSelector"].get("matchLabels", {}) for each in policies]
    for name, pod in pods(overlay):
        labels = pod["metadata"]["labels"]
        assert any(wanted and wanted.items() <= labels.items() for wanted in selected), f"{name} reaches nobody"
    for policy in policies:
        for rule in policy["spec"].get("egress", ()):
            anywhere = [peer for peer in rule.get("to", ()) if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
            assert not anywhere or rule["ports"], policy["metadata"]["name"]


@pytest.mark.parametrize("overlay", ["production", "small", "gpu"])
def test_the_service_runs_on_ray_as_it_was_tested(overlay: str) -> None:
    (service,) = of_kind(overlay, "RayService")
    cluster = service["spec"]["rayClusterConfig"]
    assert service["spec"]["excludeHeadPodFromServeSvc"] is True
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "externalStorageNamespace" not in cluster["gcsFaultToleranceOptions"]
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["authOptions"]["mode"] == "token"
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text("utf-8")
    (settings,) = [
        each["data"] for each in of_kind(overlay, "ConfigMap") if each["metadata"]["name"].startswith("settings-")
    ]
    known = {f"E2E3D_{name.upper()}" for name in ServiceSettings.model_fields} | {"E2E3D_CONFIG"}
    assert settings.keys() <= known
    key, value = settings["E2E3D_SERVE_LABELS"].split("=")
    assert [group["groupName"] for group in cluster["workerGroupSpecs"] if group["labels"].get(key) == value] == [
        "service"
    ]
    (ray,) = [each["data"] for each in of_kind(overlay, "ConfigMap") if each["metadata"]["name"].startswith("ray-")]
    assert SERVICE_ENVIRONMENT.items() <= ray.items()


def test_the_applications_of_the_manifest_are_those_of_the_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ray.serve.schema import ServeDeploySchema

    from e2e3d.serve import deployment

    (service,) = of_kind("production", "RayService")
    config = ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))
    monkeypatch.setenv("E2E3D_HOME", str(tmp_path))
    monkeypatch.setenv("E2E3D_SERVE_LABELS", "e2e3d=service")
    for application in config.applications:
        module, _, name = application.import_path.partition(":")
        assert module == deployment.__name__
        built = getattr(deployment, name)({})
        made = built._bound_deployment
        assert {each.name for each in application.deployments} <= {made.name}
        assert made.ray_actor_options["label_selector"] == {"e2e3d": "service"}
        assert made.ray_actor_options["num_cpus"] == 0
    assert [application.route_prefix for application in config.applications] == ["/", None]


def test_the_rules_are_those_of_prometheus() -> None:
    path = FOLDER / "components" / "monitoring" / "rules.yaml"
    assert path.read_text("utf-8") == prometheus_rule(), f"run {path.with_name('rules.py')}"


def test_a_machine_with_a_gpu_comes_when_a_job_asks() -> None:
    (service,) = of_kind("gpu", "RayService")
    (group,) = [
        group for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"] if group["groupName"] == "gpu"
    ]
    assert (group["minReplicas"], group["maxReplicas"] > 0) == (0, True)
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1"
