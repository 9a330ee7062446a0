#!/bin/bash
# The first process of a container, in namespaces of its own: builds the file system, gives up every right, and runs the command.
# The machine's own file system is seen below what is written here, which is lost with the container.
#   NAME, HOSTS       host name; file of the names of the others
#   WORK              an empty folder
#   KEPT              folders of the machine that must be seen as they are, one a line: programs and their libraries
#   TEMPORARY         places of temporary file systems, separated by spaces
#   MOUNTS            SOURCE TARGET ro|rw, one a line, separated by tabs
#   SHM_SIZE, RUN_AS, USER_NAME, DIRECTORY
# usage: container.sh COMMAND …
set -eu
hostname "$NAME"
mount -t tmpfs tmpfs "$WORK"
mkdir "$WORK/written" "$WORK/work" "$WORK/root"
root=$WORK/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/written,workdir=$WORK/work" "$root"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o "size=$SHM_SIZE,mode=1777" tmpfs "$root/dev/shm"
inside() { # where a path leads to in there: /var/run is a link that begins at the root
    echo "$root$(chroot "$root" realpath -m "$1")"
}
for target in $TEMPORARY; do
    target=$(inside "$target")
    mkdir -p "$target"
    mount -t tmpfs -o mode=1777 tmpfs "$target"
done
while read -r folder; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
    mount -o remount,bind,ro "$root$folder"
    while [ "$folder" != / ]; do # whoever it runs as may get there
        folder=$(dirname "$folder")
        chmod o+x "$root$folder"
    done
done <<<"$KEPT"
while IFS=$'\t' read -r source target how; do
    [ -n "$source" ] || continue
    target=$(inside "$target")
    if [ -d "$source" ]; then
        mkdir -p "$target"
    else
        mkdir -p "$(dirname "$target")"
        : >>"$target"
    fi
    mount --rbind "$source" "$target"
    [ "$how" = rw ] || mount -o remount,bind,ro "$target"
done <<<"$MOUNTS"
mount --bind "$HOSTS" "$root/etc/hosts"
if ! getent passwd "${RUN_AS%:*}" >/dev/null; then
    echo "$USER_NAME:x:$RUN_AS::/nonexistent:/usr/sbin/nologin" >>"$root/etc/passwd"
fi
mount -o remount,ro "$root" # read_only
unset NAME HOSTS WORK KEPT TEMPORARY MOUNTS SHM_SIZE
cd "$root"
# shellcheck disable=SC2093
exec chroot "$root" setpriv --reuid "${RUN_AS%:*}" --regid "${RUN_AS#*:}" --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all env -u RUN_AS -u USER_NAME -u DIRECTORY --chdir="$DIRECTORY" "$@"
