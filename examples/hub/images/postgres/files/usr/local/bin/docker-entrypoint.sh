#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a database cluster in $PGDATA when there is none, as the environment says, then starts the server as the user
# postgres.
#
#   POSTGRES_PASSWORD        of the superuser; needed unless POSTGRES_HOST_AUTH_METHOD=trust
#   POSTGRES_USER            superuser (postgres)
#   POSTGRES_DB              database (the superuser's name)
#   POSTGRES_INITDB_ARGS     more arguments for initdb
#   POSTGRES_HOST_AUTH_METHOD   for connections over the network (the server's password_encryption)
#   each also with _FILE: the value is the content of that file
#
# /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz,sql.xz} run once, in the order of their names, on the new database.
set -euo pipefail

fail() { echo "Error: $*" >&2; exit 1; }

from_file() { # VARIABLE [DEFAULT]: sets it from VARIABLE_FILE, or to the default
    local name=$1 file="${1}_FILE"
    [[ -z ${!name-} || -z ${!file-} ]] || fail "both $name and $file are set (but are exclusive)"
    if [[ -n ${!file-} ]]; then
        export "$name=$(<"${!file}")"
    else
        export "$name=${!name-${2-}}"
    fi
    unset "$file"
}

make_cluster() {
    if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
        cat >&2 <<'END'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password.
END
        exit 1
    fi
    local arguments=()
    eval "arguments=(${POSTGRES_INITDB_ARGS-})" # quotes in it mean what they mean in a shell
    # An empty password (trust) is not one that initdb takes.
    [[ -z $POSTGRES_PASSWORD ]] || arguments+=(--pwfile=/dev/stdin)
    initdb --username="$POSTGRES_USER" "${arguments[@]}" <<<"$POSTGRES_PASSWORD"
    local method=$POSTGRES_HOST_AUTH_METHOD
    [[ -n $method ]] || method=$(postgres -C password_encryption)
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    # Containers are reached from other ones.
    printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
}

sql() { # runs standard input or the file given with -f
    PGHOST='' PGHOSTADDR='' psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc \
        --dbname "$POSTGRES_DB" "$@"
}

run_scripts() {
    local file
    printf '\n'
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                if [[ -x $file ]]; then
                    echo "$0: running $file"
                    "$file"
                else
                    echo "$0: sourcing $file"
                    # shellcheck source=/dev/null
                    . "$file"
                fi
                ;;
            *.sql) echo "$0: running $file"; sql -f "$file" ;;
            *.sql.gz) echo "$0: running $file"; gunzip -c "$file" | sql ;;
            *.sql.xz) echo "$0: running $file"; xz -dc "$file" | sql ;;
            */\*) ;;
            *) echo "$0: ignoring $file" ;;
        esac
        printf '\n'
    done
}

fill_cluster() {
    # The server that runs meanwhile listens on its socket only: nobody outside sees a half-made database.
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
    if [[ $POSTGRES_DB != postgres ]]; then
        sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
        printf '\n'
    fi
    export PGPASSWORD=$POSTGRES_PASSWORD
    run_scripts
    unset PGPASSWORD
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
}

[[ ${1-} != -* ]] || set -- postgres "$@"
wants_help=''
for argument; do
    case $argument in
        -'?' | --help | --describe-config | -V | --version) wants_help=1 ;;
    esac
done
if [[ ${1-} == postgres && -z $wants_help ]]; then
    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$PGDATA" /run/postgresql
        chmod 700 "$PGDATA"
        chmod 2775 /run/postgresql
        chown postgres:postgres /run/postgresql
        find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
        exec gosu postgres "${BASH_SOURCE[0]}" "$@"
    fi
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER postgres
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    if [[ -s $PGDATA/PG_VERSION ]]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        make_cluster
        fill_cluster
        printf '\nPostgreSQL init process complete; ready for start up.\n\n'
    fi
fi
exec "$@"
