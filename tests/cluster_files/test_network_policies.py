"""Who reaches whom on Kubernetes: the policies of each overlay, evaluated as a network plugin does.

https://kubernetes.io/docs/concepts/services-networking/network-policies/: a policy isolates the pods that it selects
for each direction that it names; what any of them allows is allowed; both ends have to allow a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster_files.test_kubernetes import Manifest, of_kind, pods, rendered

Labels = dict[str, str]
INTERNET = "203.0.113.7"


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod in a namespace, or an address."""

    pod: Labels = field(default_factory=dict)
    namespace: Labels | None = None
    address: str = ""


def access(kind: str, **pod: str) -> End:
    """A pod in a namespace that an operator has labelled for this."""
    return End(pod, {"e2e3d/access": kind})


NGINX, REDIS, BACKUP = (End({"app.kubernetes.io/name": name}) for name in ("nginx", "redis", "backup"))
RAY = End({"app.kubernetes.io/name": "ray"})
POSTGRES = End({"cnpg.io/cluster": "postgres"})
SOLVER = End({"acme.cert-manager.io/http01-solver": "true"})
STRANGER = End(namespace={"kubernetes.io/metadata.name": "default"})
NAMES = End(namespace={"kubernetes.io/metadata.name": "kube-system"})
OUTSIDE, METADATA = End(address=INTERNET), End(address="169.254.169.254")
WANTED = (
    (access("ingress"), NGINX, 8080),
    (access("ingress"), SOLVER, 8089),
    (access("monitoring"), NGINX, 8081),
    (access("monitoring"), RAY, 8080),
    (access("monitoring"), RAY, 8000),
    (access("monitoring"), RAY, 9101),
    (access("kuberay"), RAY, 8265),
    (access("kuberay"), RAY, 8000),
    (NGINX, RAY, 8000),
    (NGINX, RAY, 8265),
    (RAY, RAY, 10500),
    (RAY, REDIS, 6379),
    (RAY, POSTGRES, 5432),
    (RAY, OUTSIDE, 443),
    (RAY, access("traces"), 4318),
    (BACKUP, REDIS, 6379),
    (BACKUP, POSTGRES, 5432),
    (BACKUP, OUTSIDE, 443),
    (POSTGRES, POSTGRES, 5432),
    (access("cloudnative-pg"), POSTGRES, 8000),
)
REFUSED = (
    (STRANGER, NGINX, 8080),
    (STRANGER, RAY, 6379),
    (STRANGER, RAY, 8265),
    (STRANGER, REDIS, 6379),
    (STRANGER, POSTGRES, 5432),
    (access("ingress"), RAY, 8000),
    (access("ingress"), NGINX, 8081),
    (access("monitoring"), POSTGRES, 5432),
    (NGINX, REDIS, 6379),
    (NGINX, POSTGRES, 5432),
    (NGINX, OUTSIDE, 443),
    (REDIS, OUTSIDE, 443),
    (REDIS, RAY, 6379),
    (BACKUP, RAY, 6379),
    (RAY, METADATA, 443),
    (RAY, OUTSIDE, 25),
    (RAY, NGINX, 8080),
    (BACKUP, METADATA, 443),
)


def matches(wanted: Labels | None, labels: Labels) -> bool:
    return wanted is not None and wanted.items() <= labels.items()


def is_peer(peer: Manifest, end: End) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        assert block["cidr"] == "0.0.0.0/0"
        return bool(end.address) and not (end.address.startswith("169.254.") and "169.254.0.0/16" in block["except"])
    if end.address:
        return False
    if "namespaceSelector" in peer:
        in_namespace = matches(peer["namespaceSelector"].get("matchLabels", {}), end.namespace or {})
        return in_namespace and matches(peer.get("podSelector", {}).get("matchLabels", {}), end.pod)
    return end.namespace is None and matches(peer["podSelector"].get("matchLabels", {}), end.pod)


def allows(overlay: str, end: End, direction: str, other: End, port: int) -> bool:
    """Whether a pod of this namespace may send to the other end (``Egress``), or hear of it (``Ingress``)."""
    if end.namespace is not None or end.address:
        return True  # policies of others
    side = "from" if direction == "Ingress" else "to"
    policies = [each["spec"] for each in of_kind(overlay, "NetworkPolicy")]
    mine = [one for one in policies if matches(one["podSelector"].get("matchLabels", {}), end.pod)]
    return any(
        any(is_peer(peer, other) for peer in rule[side]) and any(each["port"] == port for each in rule["ports"])
        if "ports" in rule
        else any(is_peer(peer, other) for peer in rule[side])
        for one in mine
        if direction in one["policyTypes"]
        for rule in one.get(direction.lower(), ())
    )


def reaches(overlay: str, source: End, target: End, port: int) -> bool:
    return allows(overlay, source, "Egress", target, port) and allows(overlay, target, "Ingress", source, port)


@pytest.mark.parametrize("overlay", ["production", "small", "gpu"])
def test_who_must_reach_whom_does_and_nobody_else(overlay: str) -> None:
    assert [each for each in WANTED if not reaches(overlay, *each)] == []
    assert [each for each in REFUSED if reaches(overlay, *each)] == []
    for name, pod in pods(overlay):
        assert reaches(overlay, End(pod["metadata"]["labels"]), NAMES, 53), name


@pytest.mark.parametrize("overlay", ["production", "small", "gpu"])
def test_ports_that_services_and_probes_name_are_open_to_somebody(overlay: str) -> None:
    """What a Service of ours stands for is reached by somebody, on the port of its containers."""
    for service in of_kind(overlay, "Service"):
        target = End(service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            number = port_of(overlay, target.pod, port.get("targetPort", port["port"]))
            somebody = [source for source, to, at in WANTED if to == target and at == number]
            assert somebody, f"nobody reaches {service['metadata']['name']} at {number}"


def port_of(overlay: str, labels: Labels, port: int | str) -> int:
    if isinstance(port, int):
        return port
    named = [
        each["containerPort"]
        for _, pod in pods(overlay)
        if matches(labels, pod["metadata"]["labels"])
        for container in pod["spec"]["containers"]
        for each in container.get("ports", ())
        if each.get("name") == port
    ]
    assert len(set(named)) == 1, f"{port}: {named}"
    return int(named[0])


def lasting(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """Pods that run until they are ended, but for those of Ray, whose probes KubeRay makes."""
    for name, pod in pods(overlay):
        if not name.startswith(("CronJob", "Ray")):
            yield name, pod


@pytest.mark.parametrize("overlay", ["production", "small", "gpu"])
def test_pods_say_how_they_are(overlay: str) -> None:
    found = dict(lasting(overlay))
    assert found
    for name, pod in found.items():
        for container in pod["spec"]["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys(), name
            ready, alive = container["readinessProbe"], container["livenessProbe"]
            patience = [probe.get("failureThreshold", 3) * probe["periodSeconds"] for probe in (ready, alive)]
            assert patience[0] < patience[1], f"{name} is ended before it is left alone"


@pytest.mark.parametrize("overlay", ["production", "gpu"])
def test_what_runs_more_than_once_is_never_drained_at_once(overlay: str) -> None:
    budgets = [each["spec"]["selector"]["matchLabels"] for each in of_kind(overlay, "PodDisruptionBudget")]
    for deployment in of_kind(overlay, "Deployment"):
        labels: Any = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["replicas"] > 1
        assert any(matches(budget, labels) for budget in budgets), deployment["metadata"]["name"]
    (service,) = of_kind(overlay, "RayService")
    for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        if group["minReplicas"] > 1:
            assert {"ray.io/group": group["groupName"]} in budgets


def test_a_backup_is_made_and_verified_each_day() -> None:
    jobs = {each["metadata"]["name"]: each["spec"] for each in of_kind("production", "CronJob")}
    hours = {name: int(jobs[name]["schedule"].split()[1]) for name in ("prepare-storage", "backup", "verify-backup")}
    assert hours["prepare-storage"] < hours["backup"] < hours["verify-backup"]
    assert all(job["concurrencyPolicy"] == "Forbid" for job in jobs.values())
    assert [each["kind"] for each in rendered("batch")] == ["RayJob"]
