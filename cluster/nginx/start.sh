#!/bin/sh
# Runs nginx with the configuration that render.sh writes, and loads it anew when a certificate, a password or the
# address of the service has changed. Requests that are under way go on.
#   EVERY_S   seconds between two looks
set -eu
here=$(dirname "$0")
: "${FOLDER:=/tmp/nginx}" "${EVERY_S:=10}" "${NGINX_PROGRAM:=nginx}"
export FOLDER

state() {
    cat "${CERTIFICATE:-/run/secrets/tls.crt}" "${PASSWORDS:-/run/secrets/dashboard_passwords}" \
        "${RAY_TOKEN_FILE:-/dev/null}" "${API_FILE:-/dev/null}" 2>/dev/null | cksum
    for server in ${API:-api:8000}; do
        getent hosts "${server%:*}" || true
    done
}

valid() {
    "$NGINX_PROGRAM" -p "$FOLDER" -e stderr -c "$FOLDER/nginx.conf" -t -q
}

sh "$here/render.sh"
valid
seen=$(state)
"$NGINX_PROGRAM" -p "$FOLDER" -e stderr -c "$FOLDER/nginx.conf" &
nginx=$!
stopping=
pause=
trap 'stopping=yes; kill -QUIT "$nginx" 2>/dev/null; [ -z "$pause" ] || kill "$pause" 2>/dev/null || true' TERM INT QUIT
while [ -z "$stopping" ] && kill -0 "$nginx" 2>/dev/null; do
    sleep "$EVERY_S" &
    pause=$!
    wait "$pause" || true
    now=$(state)
    if [ -z "$stopping" ] && [ "$now" != "$seen" ] && sh "$here/render.sh" && valid; then
        seen=$now
        kill -HUP "$nginx" 2>/dev/null || true
    fi
done
wait "$nginx"
