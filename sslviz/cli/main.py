"""The command line: its commands, and how bad input ends."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, subcommand

from sslviz.cli.commands import Embed, Import, Inspect, Pretrain
from sslviz.cli.diagnose_command import Diagnose
from sslviz.cli.report_commands import Audit, Explain
from sslviz.cli.small_commands import Distil, Export
from sslviz.cli.study_command import Study
from sslviz.cli.transfer_command import Transfer


@dataclass
class Demo:
    """Train three small encoders, diagnose them, print their scores beside their controls, and open the app."""

    runs: Path = Path("runs")
    """Where the runs go."""
    app: bool = True
    """Open the app at the end (--no-app: do not)."""
    seed: int = 0

    def __call__(self) -> None:
        from sslviz.cli.tables import print_scores
        from sslviz.evaluation.demo import demo

        print_scores(demo(self.runs, seed=self.seed))
        if self.app:
            App(self.runs)()


@dataclass
class App:
    """Open the app on a folder of runs."""

    runs: Path = Path("runs")
    cache: Path | None = None
    """A folder for what is computed, instead of the run folders, which may then be read-only."""

    def __call__(self) -> None:
        main_script = Path(__file__).parents[2] / "app" / "main.py"
        if not main_script.exists():
            raise ValueError(f"The app lies beside the library, but {main_script} is missing; install from a checkout.")
        if importlib.util.find_spec("streamlit") is None:
            raise ValueError('The app needs Streamlit; install it with `pip install -e ".[app]"`.')
        command = [sys.executable, "-m", "streamlit", "run", str(main_script), "--", "--runs", str(self.runs)]
        command += ["--cache", str(self.cache)] if self.cache else []
        environment = {**os.environ, "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
        try:
            code = subprocess.run(command, env=environment).returncode
        except KeyboardInterrupt:
            code = 0
        raise SystemExit(code)


@dataclass
class List:
    """List the methods, encoders, image sources, diagnostics, questions of transfer or maps there are."""

    what: Positional[Literal["methods", "encoders", "images", "diagnostics", "transfer", "maps"]]

    def __call__(self) -> None:
        from sslviz.cli.listing import listing

        for heading, entries in listing(self.what).items():
            print(
                *([f"{heading}:"] if heading else []),
                *(f"{name:<26} {text}".rstrip() for name, text in entries),
                sep="\n",
            )


COMMANDS: dict[str, type] = {
    "demo": Demo,
    "pretrain": Pretrain,
    "study": Study,
    "import": Import,
    "distil": Distil,
    "export": Export,
    "inspect": Inspect,
    "embed": Embed,
    "diagnose": Diagnose,
    "transfer": Transfer,
    "explain": Explain,
    "audit": Audit,
    "app": App,
    "list": List,
}


def _parser(words: list[str]) -> Any:
    """The type that tyro parses these words into: one of the commands."""
    commands = dict(COMMANDS)
    completing = any(word.startswith("--tyro-") for word in words)  # these print a shell's completion
    for name, command in COMMANDS.items():
        if hasattr(command, "with_options") and (completing or words[:1] == [name]):
            commands[name] = command.with_options()
    return reduce(or_, (Annotated[command, subcommand(name)] for name, command in commands.items()))


def main(arguments: list[str] | None = None) -> None:
    """Runs one command; bad input ends with one sentence on standard error and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    warnings.showwarning = _one_line
    try:
        command = tyro.cli(
            _parser(words),
            args=words,
            prog="sslviz",
            description="Look inside self-supervised vision encoders; no picture without its control.",
        )
        command()
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        if os.environ.get("SSLVIZ_DEBUG"):
            raise
        print(f"sslviz: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(
            "sslviz: interrupted; nothing is lost, run the same command again (a pretraining with --resume).",
            file=sys.stderr,
        )
        raise SystemExit(130) from None


def _one_line(message: Warning | str, category: object, filename: str, lineno: int, *_: object, **__: object) -> None:
    """A warning as a user reads it, without the line of code it came from."""
    print(f"sslviz: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
