# Sourced by the tasks that run a server: a scratch folder of its own, an end for the server whatever happens, and
# waiting that has a limit. The task starts the server in the background and says `server=$!`.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

# Tries a command until it succeeds, for a minute or so.
wait_until() {
    for _ in {1..600}; do
        if "$@" >/dev/null 2>&1; then
            return
        fi
        sleep 0.1
    done
    echo "never came: $*"
    exit 1
}

# Waits for the server, which was told to end.
ended() {
    local status=0
    wait "$server" || status=$?
    server=
    echo "the server ended with $status"
}

# Starts nginx with `nginx.conf`, which serves one page at PORT.
start_nginx() { # PORT
    PATH=$PATH:/usr/sbin
    # The workers of root's server are somebody else.
    chmod 755 "$folder"
    mkdir "$folder/html"
    seq 3000 >"$folder/html/numbers.txt"
    sed "s|FOLDER|$folder|; s|PORT|$1|" "${0%/*}/nginx.conf" >"$folder/nginx.conf"
    nginx -e "$folder/error.log" -p "$folder" -c "$folder/nginx.conf" &
    server=$!
    wait_until ab -q -n 1 "http://127.0.0.1:$1/numbers.txt"
}

# Starts PostgreSQL, of which BIN is the folder of programs, with the tables of pgbench.
start_postgres() { # BIN
    PATH=$1:$PATH
    export PGHOST=$folder PGUSER=owner PGDATABASE=postgres
    initdb -D "$folder/data" -U owner -A trust -E UTF8 --no-locale --no-sync >"$folder/initdb.log"
    postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off >"$folder/log" 2>&1 &
    server=$!
    wait_until pg_isready -q
    pgbench -i -q -s 1 2>/dev/null
}
