#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# /etc/nginx/templates/NAME.template becomes /etc/nginx/conf.d/NAME, with ${VARIABLE} replaced by the environment's
# value; what is not set stays, as nginx has variables of its own.
set -eu
me=$(basename "$0")
templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
filter=${NGINX_ENVSUBST_FILTER:-}

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS-}" ] || echo "$me: $*"; }

[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
    say "ERROR: $templates exists, but $output is not writable"
    exit 0
fi
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' | grep -E "$filter" | sed 's/.*/${&}/' | paste -s -d ' ')
find "$templates" -follow -type f -name "*$suffix" | sort | while read -r template; do
    target=${template#"$templates"/}
    target=$output/${target%"$suffix"}
    mkdir -p "$(dirname "$target")"
    say "Running envsubst on $template to $target"
    envsubst "$names" <"$template" >"$target"
done
