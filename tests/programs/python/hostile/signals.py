"""Handles signals in Python until five hundred were handled: of a timer, and from another thread. The next one of a kind comes when the last
one was handled: else handlers would interrupt handlers without end on a slow machine."""

import json
import os
import signal
import threading

import taker

handled = {signal.SIGALRM: 0, signal.SIGUSR1: 0}


def arm():
    signal.setitimer(signal.ITIMER_REAL, 0.0005)


def handler(number, frame):
    [bytearray(600 + n) for n in range(20)]
    depth = 0
    while frame:
        frame, depth = frame.f_back, depth + 1
    assert depth
    handled[number] += 1
    if number == signal.SIGALRM and handled[number] < 300:
        arm()


def send():
    for n in range(1, 201):
        os.kill(os.getpid(), signal.SIGUSR1)
        while handled[signal.SIGUSR1] < n:
            taker.released(50)


def main():
    signal.signal(signal.SIGALRM, handler)
    signal.signal(signal.SIGUSR1, handler)
    arm()
    sender = threading.Thread(target=send)
    sender.start()
    text = json.dumps({str(n): list(range(n)) for n in range(50)})
    while handled[signal.SIGALRM] < 300 or handled[signal.SIGUSR1] < 200:
        json.loads(text, object_hook=lambda found: [bytearray(1000)] and found)
    sender.join()
    print("handled")


main()
