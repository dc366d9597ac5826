# nginx with two workers, which compress and pass on, under ab: nginx.sh TIMES PORT. Workers are replaced in between.
. "${0%/*}/server.sh"
PATH=$PATH:/usr/sbin
# The workers of root's server are somebody else.
chmod 755 "$folder"
mkdir "$folder/html"
seq 3000 >"$folder/html/numbers.txt"
sed "s|FOLDER|$folder|; s|PORT|$2|" "${0%/*}/nginx.conf" >"$folder/nginx.conf"
address=http://127.0.0.1:$2
load() { ab -q -c 20 -n "$1" -H 'Accept-Encoding: gzip' "$address/$2" | grep -E 'Complete|Failed|Non-2xx|HTML|Document Length'; }

nginx -e "$folder/error.log" -p "$folder" -c "$folder/nginx.conf" &
server=$!
wait_until ab -q -n 1 "$address/numbers.txt"
load $((1000 * $1)) numbers.txt
kill -HUP "$server"
load $((500 * $1)) again/numbers.txt
load 100 none.txt
kill -QUIT "$server"
ended
