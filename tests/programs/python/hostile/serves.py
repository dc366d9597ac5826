"""Serves requests by worker processes, asks, and ends them: `serves.py gunicorn|uvicorn`."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request


def answer():
    rows = [{"id": n, "text": "x" * n} for n in range(300)]
    return json.dumps(sorted(rows, key=lambda row: -row["id"])).encode()


def wsgi(environment, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [answer()]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer()})


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


def ask(address, sizes):
    for _ in range(50):
        with urllib.request.urlopen(address, timeout=60) as reply:
            sizes.append(len(reply.read()))


def main(server):
    port = free_port()
    command = {
        "gunicorn": ["gunicorn", "-w", "3", "--threads", "2", "-b", f"127.0.0.1:{port}", "serves:wsgi"],
        "uvicorn": ["uvicorn", "--workers", "2", "--port", str(port), "serves:asgi"],
    }[server]
    serving = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    for _ in range(3000):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=60).read()
            break
        time.sleep(0.02)
    sizes = []
    asking = [threading.Thread(target=ask, args=(address, sizes)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    serving.send_signal(signal.SIGTERM)
    print(len(sizes), set(sizes), serving.wait())


if __name__ == "__main__":
    main(sys.argv[1])
