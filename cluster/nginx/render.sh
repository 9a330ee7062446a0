#!/bin/sh
# Writes nginx's configuration into FOLDER. The same template runs with Compose, on Kubernetes and in the tests.
#   API                  host:port of the service, several separated by spaces; API_FILE is a file that says it instead
#   TLS                  on: CERTIFICATE and CERTIFICATE_KEY are its files; off: somebody in front has it
#   TRUSTED_PROXIES      networks of proxies in front, whose X-Forwarded-For is believed
#   S3, BUCKET           host:port and bucket of the S3 server, when users reach it through here
#   PASSWORDS            file of who sees the dashboards, as htpasswd writes it; RAY, GRAFANA, PROMETHEUS, ALERTMANAGER
#                        and AIRFLOW are host:port of those that there are; RAY_TOKEN_FILE opens Ray's
set -eu
here=$(dirname "$0")
: "${FOLDER:=/tmp/nginx}" "${API:=api:8000}" "${TLS:=on}" "${WORKERS:=auto}" "${LOG:=/dev/stdout}" "${SERVER_NAME:=_}"
: "${CERTIFICATE:=/run/secrets/tls.crt}" "${CERTIFICATE_KEY:=/run/secrets/tls.key}"
: "${HTTP_LISTEN:=8080}" "${HTTPS_LISTEN:=8443}" "${HTTPS_SUFFIX:=}" "${STATUS_LISTEN:=8081}"
: "${ADDRESS_RATE:=100}" "${ADDRESS_BURST:=400}" "${TOKEN_RATE:=100}" "${TOKEN_BURST:=400}"
: "${PASSWORD_RATE:=30}" "${PASSWORD_BURST:=10}" "${CONNECTIONS:=256}" "${UPLOAD_BYTES:=10000000000}"
: "${S3:=}" "${BUCKET:=}" "${PASSWORDS:=/run/secrets/dashboard_passwords}" "${RAY_TOKEN_FILE:=}" "${TRUSTED_PROXIES:=}"
if [ -z "${RESOLVER:-}" ]; then
    RESOLVER=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' /etc/resolv.conf)
fi
if [ -n "${API_FILE:-}" ]; then API=$(cat "$API_FILE"); fi
umask 077
mkdir -p "$FOLDER"

for server in $API; do
    echo "server $server max_fails=1 fail_timeout=2s;"
done > "$FOLDER/api_servers.conf"
for network in $TRUSTED_PROXIES; do
    echo "set_real_ip_from $network;"
done > "$FOLDER/trusted_proxies.conf"

cat > "$FOLDER/proxy_headers.conf" <<'END'
proxy_set_header Host $http_host;
proxy_set_header Connection $connection_header;
proxy_set_header Upgrade $upgrade;
proxy_set_header X-Request-ID $id;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-E2E3D-Front "";
END
case $TLS in
on) echo 'add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;' ;;
off) echo ;;
*) echo "TLS is on or off, not $TLS" >&2; exit 2 ;;
esac > "$FOLDER/headers.conf"
cat > "$FOLDER/own_answers.conf" <<'END'
add_header X-Request-ID $id always;
add_header X-Content-Type-Options nosniff always;
add_header Cache-Control no-store always;
END

# A dashboard below its own path: dashboard PATH HOST:PORT keep|strip [TOKEN]
dashboard() {
    [ -n "$2" ] || return 0
    strip=
    if [ "$3" = strip ]; then strip="rewrite ^/$1/(.*)\$ /\$1 break;"; fi
    cat <<END
location = /$1 { return 308 /$1/; }
location ^~ /$1/ {
    auth_basic "E2E3D operations";
    auth_basic_user_file $PASSWORDS;
    limit_req zone=dashboards burst=200 nodelay;
    include $FOLDER/headers.conf;
    add_header X-Frame-Options SAMEORIGIN always;
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy same-origin always;
    include $FOLDER/proxy_headers.conf;
    proxy_set_header Authorization "${4:-}";
    client_max_body_size 16m;
    set \$dashboard http://$2;
    $strip
    proxy_pass \$dashboard;
}
END
}
token=
if [ -n "$RAY_TOKEN_FILE" ]; then token="Bearer $(cat "$RAY_TOKEN_FILE")"; fi
{
    dashboard ray "${RAY:-}" strip "$token"
    dashboard grafana "${GRAFANA:-}" keep
    dashboard prometheus "${PROMETHEUS:-}" strip
    dashboard alertmanager "${ALERTMANAGER:-}" strip
    dashboard airflow "${AIRFLOW:-}" keep
} > "$FOLDER/dashboards.conf"

chosen="-e s/^#$([ "$TLS" = on ] && echo tls || echo plain):// -e /^#tls:/d -e /^#plain:/d"
if [ -n "$S3" ]; then chosen="$chosen -e s/^#s3://"; else chosen="$chosen -e /^#s3:/d"; fi
names="FOLDER WORKERS LOG SERVER_NAME RESOLVER CERTIFICATE CERTIFICATE_KEY HTTP_LISTEN HTTPS_LISTEN HTTPS_SUFFIX
    STATUS_LISTEN ADDRESS_RATE ADDRESS_BURST TOKEN_RATE TOKEN_BURST PASSWORD_RATE PASSWORD_BURST CONNECTIONS UPLOAD_BYTES
    S3 BUCKET"
for name in $names; do
    eval "value=\$$name"
    chosen="$chosen -e s|@$name@|$value|g"
done
# shellcheck disable=SC2086
sed $chosen "$here/nginx.conf.template" > "$FOLDER/nginx.conf"
