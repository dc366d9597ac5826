"""Multiprocessing by each method, asyncio with subprocesses, and pools of both kinds."""

import asyncio
import concurrent.futures
import multiprocessing
import sys


def square(n):
    [bytearray(600 + i) for i in range(100)]
    return n * n


def send(queue, n):
    queue.put(square(n))


async def children():
    script = "print(sum(len(bytearray(700)) for _ in range(10)))"
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", script, stdout=asyncio.subprocess.PIPE) for _ in range(2)
    ]
    said = await asyncio.gather(*(child.communicate() for child in started))
    return [out.decode().strip() for out, _ in said]


def main():
    for method in "fork", "spawn", "forkserver":
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        process = context.Process(target=send, args=(queue, 12))
        process.start()
        print(method, queue.get())
        process.join()
        with context.Pool(2) as pool:
            print(pool.map(square, range(10)))
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(list(pool.map(square, range(5))))
    print(asyncio.run(children()))


if __name__ == "__main__":
    main()
