#!/bin/sh
# Run the collector, or the shipper of a Ray node, in the foreground; the collector removes files older than E2E3D_LOG_DAYS.
# usage: start.sh [collector|ray-node]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
role=${1:-collector}
export E2E3D_LOG_PORT="${E2E3D_LOG_PORT:-1514}" E2E3D_LOG_FOLDER="${E2E3D_LOG_FOLDER:-/var/log/e2e3d}"
export E2E3D_LOG_WORK="${E2E3D_LOG_WORK:-/var/spool/rsyslog}" E2E3D_LOG_COLLECTOR="${E2E3D_LOG_COLLECTOR:-collector}"
export E2E3D_RAY_LOGS="${E2E3D_RAY_LOGS:-/tmp/ray/session_*/logs}"
mkdir -p "$E2E3D_LOG_WORK"
if [ "$role" = collector ]; then
    mkdir -p "$E2E3D_LOG_FOLDER"
    while :; do
        find "$E2E3D_LOG_FOLDER" -maxdepth 1 -name 'e2e3d-????-??-??.jsonl.gz' -mtime "+${E2E3D_LOG_DAYS:-30}" -delete
        sleep 3600
    done &
    keeper=$!
    trap 'kill "$keeper" 2>/dev/null' EXIT
fi
rsyslogd -n -f "$here/$role.conf" -i "$E2E3D_LOG_WORK/$role.pid" &
daemon=$!
trap 'kill "$daemon"' TERM INT
wait "$daemon" || true
wait "$daemon"
