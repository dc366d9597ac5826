# nginx with two workers, which compress and pass on, under ab: nginx.sh TIMES PORT. Workers are replaced in between.
. "${0%/*}/server.sh"
address=http://127.0.0.1:$2
load() { ab -q -c 20 -n "$1" -H 'Accept-Encoding: gzip' "$address/$2" | grep -E 'Complete|Failed|Non-2xx|HTML|Document Length'; }

start_nginx "$2"
load $((1000 * $1)) numbers.txt
kill -HUP "$server"
load $((500 * $1)) again/numbers.txt
load 100 none.txt
kill -QUIT "$server"
ended
