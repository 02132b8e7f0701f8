#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is not a command goes to node: options, scripts.
set -eu
case ${1-} in
    -*) set -- node "$@" ;;
    *)
        if [ $# -gt 0 ] && { ! command -v "$1" >/dev/null || { [ -f "$1" ] && [ ! -x "$1" ]; }; }; then
            set -- node "$@"
        fi
        ;;
esac
exec "$@"
