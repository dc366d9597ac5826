# nginx with two workers, which compress and pass on, under ab: nginx.sh TIMES PORT. Workers are replaced in between.
. "${0%/*}/server.sh"
PATH=$PATH:/usr/sbin
# The workers of root's server are somebody else.
chmod 755 "$folder"
mkdir "$folder/html"
seq 3000 >"$folder/html/numbers.txt"
cat >"$folder/nginx.conf" <<END
daemon off;
worker_processes 2;
pid $folder/pid;
events { worker_connections 256; }
http {
    access_log $folder/access.log;
    gzip on;
    gzip_types text/plain;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    types { text/plain txt; }
    server {
        listen 127.0.0.1:$2;
        root $folder/html;
        location /again/ { proxy_pass http://127.0.0.1:$2/; }
    }
}
END
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
