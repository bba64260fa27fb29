"""How long until sslviz is there?  Wall time of fresh processes: `python tests/benchmarks/imports.py [--rounds 7]`"""

import argparse
import subprocess
import sys
import time
from statistics import median

from hardware import header, spread, verdict

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import sslviz": ["-c", "import sslviz"],
    "sslviz --help": ["-m", "sslviz", "--help"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    seconds = {name: [] for name in COMMANDS}
    for turn in range(-1, rounds):  # one to read the files from disk
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    print(header())
    print(f"seconds, min / median / max of {rounds} fresh processes\n")
    for name, times in seconds.items():
        print(f"{name:16}{spread(times, '.3f')}")
    print(f"\n{verdict('import sslviz', median(seconds['import sslviz']), 0.5, unit=' s', at_least=False)}")


if __name__ == "__main__":
    main()
