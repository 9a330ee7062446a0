#!/usr/bin/env bash
# Builds the image with buildah, which needs no daemon and no container runtime.
# usage: cluster/images/build.sh [cpu|cuda|collector|airflow] [OPTION-OF-BUILDAH …]     IMAGE=name:tag
# With BASE=mmdebstrap the base is made here from Debian's packages, where no registry of images can be reached.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:-cpu}
shift || true
image=${IMAGE:-e2e3d:$target}
storage=(--storage-driver "${STORAGE_DRIVER:-overlay}")
if [ "${BASE:-}" = mmdebstrap ]; then
    BASE=localhost/debian:bookworm-slim
    if ! buildah "${storage[@]}" inspect --type image "$BASE" >/dev/null 2>&1; then
        container=$(buildah "${storage[@]}" from scratch)
        mmdebstrap --variant=minbase bookworm - | buildah "${storage[@]}" add "$container" - / >/dev/null
        buildah "${storage[@]}" commit --rm "$container" "$BASE" >/dev/null
    fi
fi
buildah "${storage[@]}" bud --isolation "${ISOLATION:-chroot}" --format docker --layers \
    ${BASE:+--build-arg BASE="$BASE"} --target "$target" --tag "$image" \
    --file cluster/images/Containerfile --ignorefile .dockerignore "$@" .
buildah "${storage[@]}" images --format '{{.Name}}:{{.Tag}} {{.Size}}' "$image"
