"""Handles signals in Python, as they come, until a thousand were handled: from a timer, and from other threads."""

import json
import os
import signal
import threading

import taker

handled = {signal.SIGALRM: 0, signal.SIGUSR1: 0}


def handler(number, frame):
    handled[number] += 1
    [bytearray(600 + n) for n in range(20)]
    depth = 0
    while frame:
        frame, depth = frame.f_back, depth + 1
    assert depth


def send():
    while handled[signal.SIGUSR1] < 200:
        os.kill(os.getpid(), signal.SIGUSR1)
        taker.released(50)


def main():
    signal.signal(signal.SIGALRM, handler)
    signal.signal(signal.SIGUSR1, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    sender = threading.Thread(target=send)
    sender.start()
    text = json.dumps({str(n): list(range(n)) for n in range(50)})
    while handled[signal.SIGALRM] < 300 or handled[signal.SIGUSR1] < 200:
        json.loads(text, object_hook=lambda found: [bytearray(1000)] and found)
    signal.setitimer(signal.ITIMER_REAL, 0)
    sender.join()
    print("handled")


main()
