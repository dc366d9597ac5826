"""Threads, pools of processes of each kind, and other programs: python.py N. Pools are closed, not terminated: a
process that a signal ends between a call and its count would make the counts differ by one."""

import json
import multiprocessing
import subprocess
import sys
import threading


def work(n):
    return len(json.dumps([{"i": i, "text": str(i) * 5} for i in range(n)]))


def main():
    n = int(sys.argv[1])
    results = {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: work(n + i)})) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(results.items()))
    for method in ("fork", "spawn", "forkserver"):
        pool = multiprocessing.get_context(method).Pool(2)
        print(method, pool.map(work, range(n, n + 10)), flush=True)
        pool.close()
        pool.join()
    print(subprocess.run([sys.executable, "-c", "print(sum(range(1000)))"], capture_output=True, text=True))
    print(subprocess.run("echo a | tr a b; exit 4", shell=True, capture_output=True))
    print(subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE).communicate(b"x" * 5))
    sys.exit(3)


if __name__ == "__main__":
    main()
