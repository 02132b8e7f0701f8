#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a data directory when there is none, as the environment says, then starts the server as the user mysql. Each
# variable is known as MYSQL_… and as MARIADB_…, and with _FILE: the value is the content of that file.
#
#   MYSQL_ROOT_PASSWORD           one of these three is needed
#   MYSQL_ALLOW_EMPTY_PASSWORD
#   MYSQL_RANDOM_ROOT_PASSWORD    is told in the log
#   MYSQL_ROOT_HOST               from where root may connect (%)
#   MYSQL_DATABASE                is created
#   MYSQL_USER, MYSQL_PASSWORD    is created, with all rights on that database
#
# /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz,sql.xz} run once, in the order of their names, on that database.
set -euo pipefail
socket=/run/mysqld/mysqld.sock

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }
fail() { printf '%s [ERROR] [Entrypoint]: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2; exit 1; }

setting() { # NAME: the value of MYSQL_NAME, MARIADB_NAME, or of the files that they name
    local name
    for name in "MYSQL_$1" "MARIADB_$1"; do
        local file="${name}_FILE"
        [[ -z ${!name-} || -z ${!file-} ]] || fail "Both $name and $file are set (but are exclusive)"
        if [[ -n ${!file-} ]]; then
            printf '%s' "$(<"${!file}")"
            return
        elif [[ -n ${!name-} ]]; then
            printf '%s' "${!name}"
            return
        fi
    done
}

quoted() { # a string literal of SQL
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\\\'}"
}

data_directory() {
    "$@" --verbose --help 2>/dev/null | awk '$1 == "datadir" { sub(/^datadir[ \t]+/, ""); print; exit }'
}

sql() { # runs standard input
    MYSQL_PWD=$root_password mariadb --no-defaults --protocol=socket --socket="$socket" --user=root "$@"
}

start_privately() { # COMMAND…: without network, so that nobody outside sees a half-made database
    "$@" --skip-networking --socket="$socket" &
    server=$!
    until MYSQL_PWD='' mariadb-admin --no-defaults --socket="$socket" --user=root ping >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || fail "Unable to start server."
        sleep 0.1
    done
}

make_accounts() {
    local root=''
    [[ -z $root_password ]] || root="ALTER USER root@localhost IDENTIFIED BY $(quoted "$root_password");"
    if [[ $root_host != localhost ]]; then
        root+="CREATE USER root@$(quoted "$root_host") IDENTIFIED BY $(quoted "$root_password");
            GRANT ALL ON *.* TO root@$(quoted "$root_host") WITH GRANT OPTION;"
    fi
    # The installation makes accounts without password for each name of this host: only root@localhost stays, and the
    # two that the server needs. Until its password is set, root has none.
    local password=$root_password
    root_password='' sql <<<"DELETE FROM mysql.global_priv WHERE Host != 'localhost' OR User = '';
        FLUSH PRIVILEGES; $root"
    root_password=$password
    if [[ -n $database ]]; then
        note "Creating database $database"
        sql <<<"CREATE DATABASE IF NOT EXISTS \`${database//\`/\`\`}\`;"
    fi
    if [[ -n $user && -n $user_password ]]; then
        note "Creating user $user"
        sql <<<"CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$user_password");"
        if [[ -n $database ]]; then
            note "Giving user $user access to schema $database"
            local pattern=${database//\`/\`\`}
            sql <<<"GRANT ALL ON \`${pattern//_/\\_}\`.* TO $(quoted "$user")@'%';"
        fi
    fi
}

run_scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                note "running $file"
                # shellcheck source=/dev/null
                if [[ -x $file ]]; then "$file"; else . "$file"; fi
                ;;
            *.sql) note "running $file"; sql ${database:+--database="$database"} <"$file" ;;
            *.sql.gz) note "running $file"; gunzip -c "$file" | sql ${database:+--database="$database"} ;;
            *.sql.xz) note "running $file"; xz -dc "$file" | sql ${database:+--database="$database"} ;;
            */\*) ;;
            *) note "ignoring $file" ;;
        esac
    done
}

make_data() { # DIRECTORY COMMAND…
    local directory=$1
    shift
    root_password=$(setting ROOT_PASSWORD)
    root_host=$(setting ROOT_HOST)
    root_host=${root_host:-%}
    database=$(setting DATABASE)
    user=$(setting USER)
    user_password=$(setting PASSWORD)
    if [[ -z $root_password$(setting ALLOW_EMPTY_PASSWORD)$(setting ALLOW_EMPTY_ROOT_PASSWORD) ]]; then
        [[ -n $(setting RANDOM_ROOT_PASSWORD) ]] || fail "Database is uninitialized and password option is not specified
    You need to specify one of the following as an environment variable:
    - MYSQL_ROOT_PASSWORD
    - MYSQL_ALLOW_EMPTY_PASSWORD
    - MYSQL_RANDOM_ROOT_PASSWORD"
        root_password=$(head -c 24 /dev/urandom | base64 | tr -d '+/=')
        note "GENERATED ROOT PASSWORD: $root_password"
    fi
    [[ $user != root ]] || fail 'MYSQL_USER="root": root is always there; set MYSQL_ROOT_PASSWORD'
    note "Initializing database files"
    mariadb-install-db --datadir="$directory" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    note "Database files initialized"
    note "Starting temporary server"
    start_privately "$@"
    make_accounts
    run_scripts
    note "Stopping temporary server"
    kill "$server"
    wait "$server" || fail "Unable to shut down server."
    note "MariaDB init process done. Ready for start up."
}

[[ ${1-} != -* ]] || set -- mysqld "$@"
wants_help=''
for argument; do
    case $argument in
        -'?' | --help | --print-defaults | -V | --version) wants_help=1 ;;
    esac
done
if [[ ${1-} == mysqld || ${1-} == mariadbd ]] && [[ -z $wants_help ]]; then
    directory=$(data_directory "$@")
    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$directory" /run/mysqld
        find "$directory" /run/mysqld \! -user mysql -exec chown mysql: '{}' +
        note "Switching to dedicated user 'mysql'"
        exec gosu mysql "${BASH_SOURCE[0]}" "$@"
    fi
    [[ -d $directory/mysql ]] || make_data "$directory" "$@"
    # Secrets of the set-up are no business of the server.
    unset MYSQL_ROOT_PASSWORD MARIADB_ROOT_PASSWORD MYSQL_PASSWORD MARIADB_PASSWORD
fi
exec "$@"
