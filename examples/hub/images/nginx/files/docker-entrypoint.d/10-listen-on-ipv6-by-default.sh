#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lets the default server listen on IPv6 too, unless somebody has replaced its file.
set -eu
me=$(basename "$0")
file=/etc/nginx/conf.d/default.conf
packaged=/usr/share/nginx/default.conf.sha256

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS-}" ] || echo "$me: info: $*"; }

if [ ! -f /proc/net/if_inet6 ]; then
    say "ipv6 not available"
elif [ ! -f "$file" ]; then
    say "$file is not a file or does not exist"
elif ! touch "$file" 2>/dev/null; then
    say "can not modify $file (read-only file system?)"
elif grep -q 'listen *\[::\]:80;' "$file"; then
    say "IPv6 listen already enabled"
else
    say "Getting the checksum of $file"
    if sha256sum -c --status "$packaged"; then
        sed -i 's/listen       80;/&\n    listen  [::]:80;/' "$file"
        say "Enabled listen on IPv6 in $file"
    else
        say "$file differs from the packaged version"
    fi
fi
