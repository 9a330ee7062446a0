#!/bin/sh
# Makes the secrets of a deployment, each once: what is there stays as it is, so it can be run again after an update.
# usage: cluster/secrets.sh [FOLDER]     HOST=models.example.org  ADMIN_EMAIL=you@example.org
# The files are what Compose mounts; of the same files `kubectl create secret generic e2e3d --from-file=FOLDER` makes a Secret.
# POSTGRES_HOST and REDIS_HOST: where those servers are, if not the ones of Compose.
set -eu
folder=${1:-$(dirname "$0")/compose/secrets}
host=${HOST:-localhost}
case $host in *[!0-9.]*) kind=DNS domain=$host ;; *) kind=IP domain=localhost ;; esac
umask 077
mkdir -p "$folder"
cd "$folder"

random() {
    [ -s "$1" ] || openssl rand -hex "${2:-32}" | tr -d '\n' > "$1"
}

for name in secret_key ray_token; do random "$name"; done
for name in postgres_password redis_password s3_root_secret s3_secret s3_backup_secret metrics_token admin_password grafana_password \
    dashboard_password; do
    random "$name" 24
done
# The S3 server's own key makes bucket and users; the others can do no more than the service and backups must.
[ -s s3_root_key ] || printf e2e3d-root > s3_root_key
[ -s s3_key ] || printf e2e3d > s3_key
[ -s s3_backup_key ] || printf e2e3d-backup > s3_backup_key

# The settings of E2E3D that are secret, as the file that E2E3D_CONFIG names.
if [ ! -s e2e3d.toml ]; then
    cat > e2e3d.toml <<END
secret_key = "$(cat secret_key)"
database_url = "postgresql+psycopg2://e2e3d:$(cat postgres_password)@${POSTGRES_HOST:-postgres}/e2e3d"
redis_url = "redis://:$(cat redis_password)@${REDIS_HOST:-redis}:6379/0"
s3_key = "$(cat s3_key)"
s3_secret = "$(cat s3_secret)"
metrics_token = "$(cat metrics_token)"
admin_email = "${ADMIN_EMAIL:-admin@$domain}"
admin_password = "$(cat admin_password)"
END
fi
[ -s redis.conf ] || cat > redis.conf <<END
requirepass $(cat redis_password)
appendonly yes
maxmemory-policy noeviction
END
[ -s redis_exporter.json ] || printf '{"redis://redis:6379": "%s"}\n' "$(cat redis_password)" > redis_exporter.json
[ -s dashboard_passwords ] || printf 'operator:%s\n' "$(openssl passwd -6 -in dashboard_password)" > dashboard_passwords

# A certificate of our own until there is a real one: put its two files in place, and nginx takes them within seconds.
if [ ! -s tls.crt ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 -subj "/CN=$host" \
        -addext "subjectAltName=$kind:$host,DNS:nginx" -keyout tls.key -out tls.crt 2>/dev/null
fi
# Compose mounts these files as they are, and each container reads them as a user of its own; only who may
# enter the folder can open them.
chmod 644 ./*
chmod 700 .
echo "The secrets are in $(pwd). The first administrator's password: admin_password; of the dashboards: operator, dashboard_password."
