# redis-server with I/O threads and an append-only file, under redis-benchmark: redis.sh TIMES. Forks for snapshots and
# for rewriting its file, and frees in another thread.
. "${0%/*}/server.sh"
cli() { redis-cli -s "$folder/socket" "$@"; }
says() { cli "${@:2}" | grep -q "$1"; }

redis-server --port 0 --unixsocket "$folder/socket" --dir "$folder" --save '' --appendonly yes --io-threads 2 \
    --io-threads-do-reads yes --ignore-warnings ARM64-COW-BUG >"$folder/log" &
server=$!
wait_until says PONG ping
redis-benchmark -s "$folder/socket" -n $((10000 * $1)) -c 20 -P 4 -q -t set,get,lpush,hset,zadd >"$folder/figures"
grep -c 'requests per second' "$folder/figures"
cli eval 'for i = 1, 20000 do redis.call("rpush", "list" .. i % 20, "value " .. i) end return redis.call("llen", "list7")' 0
cli bgrewriteaof >/dev/null
wait_until says 'aof_rewrite_in_progress:0' info persistence
cli bgsave >/dev/null
wait_until says 'rdb_bgsave_in_progress:0' info persistence
cli flushall async
wait_until says 'lazyfree_pending_objects:0' info memory
cli shutdown nosave
ended
