# A PostgreSQL server for tests: the one that TEST_POSTGRES_URL names, or a throw-away cluster of the installed (or now
# to be installed) programs. Sourced after tools.sh.

postgres_dir=
postgres_bin=

# Prints the folder of the newest installed server programs. TEST_HIDE_POSTGRES=1 hides them, so that installing can be
# tried on a machine that has them.
find_postgres() {
    local bin
    bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr | head -n 1)
    [[ -x $bin/initdb ]] || bin=$(dirname "$(command -v initdb || echo /nowhere/initdb)")
    [[ -x $bin/initdb ]] && echo "$bin"
}

# Runs a server program: as `postgres` when we are root, because PostgreSQL refuses root.
as_postgres() {
    if [[ $(id -u) == 0 ]]; then runuser -u postgres -- "$@"; else "$@"; fi
}

install_postgres() {
    may_install || stop_for "PostgreSQL is missing: install its server (Debian: apt-get install postgresql), or set TEST_POSTGRES_URL"
    # Only the programs are wanted, no cluster that starts with the machine.
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    fi
    install_packages postgresql || stop_for "PostgreSQL could not be installed; set TEST_POSTGRES_URL instead"
}

# Sets TEST_POSTGRES_URL.
start_postgres() {
    if [[ -n ${TEST_POSTGRES_URL:-} ]]; then
        echo "PostgreSQL: the server that TEST_POSTGRES_URL names"
        return
    fi
    [[ ${TEST_HIDE_POSTGRES:-} == 1 ]] || postgres_bin=$(find_postgres || true)
    if [[ -z $postgres_bin ]]; then
        install_postgres
        postgres_bin=$(find_postgres) || stop_for "PostgreSQL was installed, but initdb is nowhere"
    fi
    postgres_dir=$(mktemp -d)
    [[ $(id -u) != 0 ]] || chown postgres "$postgres_dir"
    as_postgres "$postgres_bin/initdb" -D "$postgres_dir/data" -A trust -U postgres -E UTF8 --locale=C --no-sync \
        >"$postgres_dir/initdb.log" 2>&1 || stop_for "initdb fails: $(tail -n 3 "$postgres_dir/initdb.log")"
    local port try
    for try in {1..20}; do
        port=$((20000 + RANDOM % 12000))
        # Durability stays as it is set: the tests rely on it.
        if as_postgres "$postgres_bin/pg_ctl" -w -D "$postgres_dir/data" -l "$postgres_dir/data/log" \
            -o "-p $port -k $postgres_dir -c listen_addresses=127.0.0.1 -c max_connections=300" start \
            >/dev/null 2>&1; then
            export TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:$port/postgres
            echo "PostgreSQL: $("$postgres_bin/postgres" --version), a throw-away cluster on port $port"
            return
        fi
    done
    stop_for "PostgreSQL does not start: $(tail -n 3 "$postgres_dir/data/log")"
}

stop_postgres() {
    [[ -n $postgres_dir ]] || return 0
    if [[ -f $postgres_dir/data/postmaster.pid ]]; then
        as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/data" -m immediate stop >/dev/null 2>&1 || true
    fi
    rm -rf "$postgres_dir"
    postgres_dir=
}
