# PostgreSQL: initdb, a server, pgbench with four clients, a query by parallel workers, a function that fails:
# postgres.sh TIMES BIN, where BIN is the folder of its programs. Not as root, whom PostgreSQL refuses.
. "${0%/*}/server.sh"
start_postgres "$2"
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
