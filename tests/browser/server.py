"""Servers for the tests: one process each, on a free port, stopped at the end."""

import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def answering(command, page, log=subprocess.DEVNULL, environment=None):
    """Runs a command until the block ends; the block begins when `page` answers, or after a minute."""
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(page, timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()
