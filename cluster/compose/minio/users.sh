#!/bin/sh
# Makes the users of the bucket on MinIO, with the policies beside this file; it can be run again.
set -eu
secret() {
    cat "/run/secrets/$1"
}
user() { # NAME KEY SECRET
    mc admin user add store "$2" "$3" >/dev/null
    mc admin policy create store "e2e3d-$1" "/etc/minio/$1.json" >/dev/null
    mc admin policy attach store "e2e3d-$1" --user "$2" >/dev/null 2>&1 ||
        mc admin user info store "$2" | grep "e2e3d-$1" >/dev/null # it had it already
}
mc alias set store http://minio:9000 "$(secret s3_root_key)" "$(secret s3_root_secret)" >/dev/null
user service "$(secret s3_key)" "$(secret s3_secret)"
user backup "$(secret s3_backup_key)" "$(secret s3_backup_secret)"
