#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prepares the configuration with the scripts of /docker-entrypoint.d, in the order of their names, then starts the
# command. NGINX_ENTRYPOINT_QUIET_LOGS: say nothing.
set -eu

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS-}" ] || echo "$0: $*"; }

prepare() {
    if [ -z "$(ls -A /docker-entrypoint.d 2>/dev/null)" ]; then
        say "No files found in /docker-entrypoint.d/, skipping configuration"
        return
    fi
    say "/docker-entrypoint.d/ is not empty, will attempt to perform configuration"
    say "Looking for shell scripts in /docker-entrypoint.d/"
    for script in /docker-entrypoint.d/*; do
        case $script in
            *.envsh | *.sh)
                if [ ! -x "$script" ]; then
                    say "Ignoring $script, not executable"
                elif [ "${script%.envsh}" != "$script" ]; then
                    say "Sourcing $script"
                    # shellcheck source=/dev/null
                    . "$script"
                else
                    say "Launching $script"
                    "$script"
                fi
                ;;
            *) say "Ignoring $script" ;;
        esac
    done
    say "Configuration complete; ready for start up"
}

case ${1-} in
    nginx | nginx-debug) prepare ;;
esac
exec "$@"
