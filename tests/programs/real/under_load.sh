# Servers and runtimes that work until their input ends: under_load.sh redis | nginx PORT | postgres BIN | node | java. Says
# which processes do the work, and afterwards how it ended and how often a client failed.
. "${0%/*}/server.sh"

case $1 in
redis)
    cli() { redis-cli -s "$folder/socket" "$@"; }
    answers() { cli ping | grep -q PONG; }
    redis-server --port 0 --unixsocket "$folder/socket" --dir "$folder" --save '' --io-threads 2 --io-threads-do-reads yes \
        --ignore-warnings ARM64-COW-BUG >"$folder/log" &
    server=$!
    wait_until answers
    workers() { echo "$server"; }
    # A snapshot forks.
    load() {
        redis-benchmark -s "$folder/socket" -n 20000 -c 20 -P 4 -q -t set,get,lpush,hset,zadd
        cli bgsave
        cli flushall
    }
    stop() { cli shutdown nosave; }
    ;;
nginx)
    page=http://127.0.0.1:$2/numbers.txt
    start_nginx "$2"
    workers() { pgrep -P "$server"; }
    load() {
        ab -q -c 20 -n 2000 -H 'Accept-Encoding: gzip' "$page" | grep '^Failed requests: *0$'
    }
    stop() { kill -QUIT "$server"; }
    ;;
postgres)
    start_postgres "$2"
    # One that works as long as the server is to, beside those that come and go.
    psql -Atq >"$folder/psql" 2>&1 <<'SQL' &
CREATE TABLE documents (id serial, body jsonb);
DO $$ BEGIN
    WHILE (SELECT pg_stat_file('stop', true)) IS NULL LOOP
        INSERT INTO documents (body) SELECT jsonb_build_object('n', i, 'text', repeat('x', i)) FROM generate_series(1, 200) i;
        PERFORM string_agg(body::text, ',' ORDER BY id DESC) FROM documents;
        DELETE FROM documents;
    END LOOP;
END $$;
SQL
    psql_pid=$!
    works() { psql -Atc "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'" | grep .; }
    wait_until works
    workers() { echo "$server" && works; }
    load() { pgbench -c 4 -j 2 -C -t 50; }
    stop() {
        touch "$folder/data/stop"
        wait "$psql_pid" && cat "$folder/psql" && kill -INT "$server"
    }
    ;;
node)
    cat >"$folder/work.js" <<'JS'
const { Worker, isMainThread } = require('worker_threads');
const { existsSync } = require('fs');
const zlib = require('zlib');
const rows = [...Array(500).keys()].map(i => ({ i, text: 'x'.repeat(i % 50), bytes: Buffer.alloc(100, i) }));

function work() {
  if (existsSync(process.argv[2])) return;
  const text = JSON.stringify(rows);
  zlib.gzip(text, (error, bytes) => {
    if (error || zlib.gunzipSync(bytes).toString() !== text) process.exit(1);
    setImmediate(work);
  });
}

if (isMainThread) new Worker(__filename, { argv: process.argv.slice(2) }).on('exit', code => { if (code) process.exit(1); });
work();
JS
    node "$folder/work.js" "$folder/stop" &
    server=$!
    workers() { echo "$server"; }
    load() { sleep 0.1; }
    stop() { true; }
    ;;
java)
    cat >"$folder/Work.java" <<'JAVA'
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import java.util.zip.*;

public class Work {
    public static void main(String[] arguments) throws Exception {
        Path stop = Path.of(arguments[0]);
        Thread[] threads = new Thread[4];
        for (int number = 0; number < threads.length; number++) {
            threads[number] = new Thread(() -> { while (!Files.exists(stop)) work(); });
            threads[number].start();
        }
        for (Thread thread : threads) thread.join();
    }

    static void work() {
        Map<String, Integer> sums = IntStream.range(0, 2000).boxed().collect(Collectors.toMap(i -> "key " + i, i -> i));
        if (sums.values().stream().mapToInt(i -> i).sum() != 1999000) System.exit(1);
        Deflater deflater = new Deflater();
        deflater.setInput(new byte[10000]);
        deflater.finish();
        if (deflater.deflate(new byte[10000]) == 0) System.exit(1);
        deflater.end();
        try {
            Object nothing = sums.get("none").toString();
            System.exit(1);
        } catch (NullPointerException expected) {
        }
    }
}
JAVA
    javac -d "$folder" "$folder/Work.java"
    java -cp "$folder" -Xmx256m Work "$folder/stop" &
    server=$!
    workers() { echo "$server"; }
    load() { sleep 0.1; }
    stop() { true; }
    ;;
esac

while [ ! -e "$folder/stop" ]; do
    load >"$folder/load" 2>&1 || { echo "a client failed:" && cat "$folder/load"; } >>"$folder/failed"
done &
clients=$!
echo $(workers)
cat >"$folder/input"
touch "$folder/stop"
wait "$clients"
stop
ended
if [ -e "$folder/failed" ]; then
    cat "$folder/failed"
fi
