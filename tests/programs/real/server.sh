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
