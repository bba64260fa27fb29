"""A process that loads torch and what else commands load, and then runs each command in a fork of its own.

A line of JSON on its standard input holds commands, [[[word, ...], death], ...], and whether they are the processes of one
launch.  Its answer is a line with their exit codes.  `in_processes` of conftest.py speaks to it.
"""

import json
import os
import re
import signal
import socket
import sys
import traceback
from importlib import import_module

LOADED = ("torch._dynamo", "sslviz.training.pretrain", "sslviz.evaluation.diagnose", "sklearn.linear_model")
FAILED = 70  # the exit code of a command that ended in an exception nobody caught


def dies(module, name, call, last=""):
    """This process is killed in the call-th call of a function, or of those whose last argument is like `last`."""
    of, calls = import_module(module), []
    real = getattr(of, name)

    def counted(*args, **options):
        if re.search(last, str(args[-1])):
            calls.append(name)
            if len(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    setattr(of, name, counted)


def begin(words, death, environment):
    """The number of a process that runs this command."""
    from sslviz.cli.main import main

    child, code = os.fork(), FAILED
    if child:
        return child
    try:
        os.environ.update(environment)
        if death:
            dies(*death)
        main(words)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def code_of(child):
    """The exit code of a process, once it ended; minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def ranks(n):
    """The environment of each of n processes that train together, as torchrun sets it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alike = {"WORLD_SIZE": str(n), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [alike | {"LOCAL_RANK": str(rank)} for rank in range(n)]


def serve():
    """Answers one line after the other, until there is none."""
    for module in LOADED:
        import_module(module)
    for line in sys.stdin:
        commands, at_once = json.loads(line)
        if at_once:
            begun = [begin(*one, rank) for one, rank in zip(commands, ranks(len(commands)), strict=True)]
            codes = [code_of(child) for child in begun]
        else:
            codes = [code_of(begin(*one, {})) for one in commands]
        print("\nended", json.dumps(codes), flush=True)


if __name__ == "__main__":
    serve()
