#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `berth registry serve` with the original's variables; arguments are further options. The original's own command
# (`serve FILE.yml`, or the file alone) is understood so far that the file is left out.
set -eu

case ${1-} in
    berth | /*/berth | sh | /bin/sh | bash | /bin/bash) exec "$@" ;;
    serve) shift ;;
esac
case ${1-} in
    *.yml) shift ;;
esac

option() { # VALUE OPTION: the option, when the value is there
    [ -z "$1" ] || options="$options $2=$1"
}
options=''
option "${REGISTRY_AUTH_HTPASSWD_PATH-}" --htpasswd
option "${REGISTRY_HTTP_TLS_CERTIFICATE-}" --tls-cert
option "${REGISTRY_HTTP_TLS_KEY-}" --tls-key
option "${REGISTRY_PROXY_REMOTEURL-}" --proxy
address=${REGISTRY_HTTP_ADDR:-:5000}
case $address in
    :*) address=0.0.0.0$address ;;
esac
# The values are paths and addresses without spaces.
# shellcheck disable=SC2086
exec berth registry serve --listen "$address" \
    --root "${REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY:-/var/lib/registry}" $options "$@"
