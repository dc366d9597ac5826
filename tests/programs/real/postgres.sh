# PostgreSQL: initdb, a server, pgbench with four clients, a query by parallel workers, a function that fails:
# postgres.sh TIMES BIN, where BIN is the folder of its programs. Not as root, whom PostgreSQL refuses.
. "${0%/*}/server.sh"
PATH=$2:$PATH
export PGHOST=$folder PGUSER=owner PGDATABASE=postgres
initdb -D "$folder/data" -U owner -A trust -E UTF8 --no-locale --no-sync >"$folder/initdb.log"
postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off >"$folder/log" 2>&1 &
server=$!
wait_until pg_isready -q
pgbench -i -q -s 1 2>/dev/null
pgbench -c 4 -j 2 -t $((100 * $1)) 2>/dev/null | grep -E 'actually processed|failed'
psql -At <<'END' 2>&1
SELECT sum(tbalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_tellers;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*), count(DISTINCT filler) FROM pgbench_accounts a JOIN generate_series(1, 1000) s ON a.aid % 1000 = s;
SELECT 1 / 0;
END
kill -INT "$server"
ended
grep -c 'database system is shut down' "$folder/log"
