#!/bin/sh
# What a container of E2E3D runs: start.sh head | worker | api | any command of e2e3d
#   head    Ray's control: no work is placed there, its state is in Redis
#   worker  a Ray node that computes
#   api     a Ray node for the replicas and the runner, and `e2e3d serve`, which deploys them
# Settings are variables E2E3D_… and the file that E2E3D_CONFIG names. Beside them:
#   HEAD           host:port of the head (worker, api)
#   RAY_TOKEN_FILE token of the Ray cluster, the same in every container; without it Ray asks for none
#   REDIS, REDIS_PASSWORD_FILE   host:port of the Redis that keeps the head's state; without it a new head begins anew
#   CPUS, GPUS     what a worker offers; without them all that it sees
set -eu

# Serve's proxies and loops behave as the service was tested, on every node.
eval "$(python3 -c '
from e2e3d.tasks.ray_environment import SERVICE_ENVIRONMENT as values
print("".join(f"export {name}=\"${{{name}:-{value}}}\"\n" for name, value in values.items()))
')"
# A machine that died is noticed in 5 to 10 s in place of 40 to 50 s.
export RAY_health_check_period_ms="${RAY_health_check_period_ms:-1000}"
export RAY_health_check_timeout_ms="${RAY_health_check_timeout_ms:-2000}"
export RAY_health_check_failure_threshold="${RAY_health_check_failure_threshold:-3}"
export RAY_AUTH_MODE=disabled
if [ -n "${RAY_TOKEN_FILE:-}" ]; then
    export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$RAY_TOKEN_FILE"
fi
# Objects stay in shared memory: Ray takes three tenths of the machine's memory, and a folder on disk where /dev/shm has less.
shared=$(df --block-size=1 --output=avail /dev/shm | tail -n 1)
if [ "$shared" -gt 100000000 ]; then # Ray starts with no less than 75 MiB
    export RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES="${RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES:-$((shared / 10 * 9))}"
fi
ports="--node-manager-port=6381 --object-manager-port=6382 --min-worker-port=10002 --max-worker-port=19999"
ports="$ports --dashboard-agent-grpc-port=6383 --dashboard-agent-listen-port=52365 --metrics-export-port=8080"
ports="$ports --runtime-env-agent-port=6384"
folder="--temp-dir=${RAY_TMPDIR:-/tmp/ray} --disable-usage-stats"

case "${1:-}" in
head)
    if [ -n "${REDIS:-}" ]; then
        export RAY_REDIS_ADDRESS="$REDIS" RAY_external_storage_namespace=e2e3d
        set -- head --redis-password="$(cat "$REDIS_PASSWORD_FILE")"
    fi
    shift
    # shellcheck disable=SC2086
    exec ray start --head --block --port=6379 --num-cpus=0 --num-gpus=0 $ports $folder \
        --dashboard-host=0.0.0.0 --dashboard-port=8265 "$@"
    ;;
worker)
    # shellcheck disable=SC2086
    exec ray start --block --address="$HEAD" $ports --temp-dir="${RAY_TMPDIR:-/tmp/ray}" --disable-usage-stats \
        --labels=e2e3d=worker ${CPUS:+--num-cpus="$CPUS"} ${GPUS:+--num-gpus="$GPUS"}
    ;;
api)
    # shellcheck disable=SC2086
    ray start --address="$HEAD" $ports $folder --labels=e2e3d=service --num-cpus=0 --num-gpus=0
    export E2E3D_RAY_ADDRESS="$HEAD" E2E3D_SERVE_LABELS="${E2E3D_SERVE_LABELS:-e2e3d=service}"
    exec e2e3d serve
    ;;
*)
    exec e2e3d "$@"
    ;;
esac
