#!/usr/bin/env bash
# Sets up everything `make` needs: system libraries, a virtual environment in .venv, the package. Safe to run again.
# usage: scripts/setup.sh [dev]      dev = also what the tests and linters need
set -euo pipefail
cd "$(dirname "$0")/.."

extra="[${1:-web}]"  # web: Node, which builds the page; dev has it too
if nvidia-smi --list-gpus >/dev/null 2>&1; then extra="[gpu,${1:-web}]"; fi

system_libraries=(libgl1 libegl1 libusb-1.0-0 libgomp1)  # what Open3D loads
missing=()
if [ "${1:-}" = dev ]; then  # servers and the browser that tests start for themselves
    command -v chromium >/dev/null || missing+=(chromium)
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
    [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
    command -v rsync >/dev/null || missing+=(rsync)
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v prometheus >/dev/null || missing+=(prometheus)
    command -v prometheus-alertmanager >/dev/null || missing+=(prometheus-alertmanager)
    command -v prometheus-blackbox-exporter >/dev/null || missing+=(prometheus-blackbox-exporter)
    for program in prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter \
        prometheus-nginx-exporter tini; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    command -v rsyslogd >/dev/null || missing+=(rsyslog)
    command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
fi
for package in "${system_libraries[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
    if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
        echo "Installing system packages: ${missing[*]}"
        "${as_root[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
    else
        echo "System packages are missing, and installing them needs an administrator. Please run:" >&2
        echo "    sudo apt-get install ${missing[*]}" >&2
        exit 5
    fi
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "E2E3D needs Python 3.11 or newer; $("$python" --version) was found. Set PYTHON=/path/to/python3.11." >&2
    exit 5
fi
if [ ! -x .venv/bin/python ]; then
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        echo "Python cannot make a virtual environment. Please run: sudo apt-get install python3-venv" >&2
        exit 5
    fi
fi

stamp=.venv/.e2e3d-$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-12)${1:+-$1}
if [ ! -e "$stamp" ]; then
    echo "Installing E2E3D and its libraries into .venv (some minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".$extra"
    touch "$stamp"
    fresh=yes
fi

# Who edits kernels compiles them where they are called; everybody else need not wait for it in the first job.
if [ -n "${fresh:-}" ] || [ "${1:-}" != dev ]; then
    (.venv/bin/e2e3d compile || echo "The kernels could not be compiled ahead; the first job will do it." >&2) &
fi
.venv/bin/python scripts/build_web.py || echo "The service works without its page; build it later with the same command." >&2
wait
