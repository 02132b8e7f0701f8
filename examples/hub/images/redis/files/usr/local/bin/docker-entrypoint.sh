#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Options and configuration files alone go to redis-server; root hands over to the user redis.
set -eu

case ${1-} in
    -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
fi
if [ "${1-}" = redis-server ]; then
    umask 0077
    # Reached from other containers, as the original: Debian's build would answer to loopback only. Whoever sets the
    # mode, on the command line or in a file, has the last word.
    shift
    configured=''
    for argument; do
        case $argument in
            --protected-mode) configured=1 ;;
            *) [ ! -f "$argument" ] || ! grep -q '^ *protected-mode' "$argument" || configured=1 ;;
        esac
    done
    [ -n "$configured" ] || set -- "$@" --protected-mode no
    set -- redis-server "$@"
fi
exec "$@"
