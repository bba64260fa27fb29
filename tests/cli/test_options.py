"""Options come from the signature of the function that a command calls, and only `pretrain` loads torch for them."""

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro

import sslviz
from sslviz.cli.commands import Pretrain
from sslviz.cli.options import options_of


def train(
    images: sslviz.Images,
    method: Annotated[str, "The name of a method."] = "simclr",
    *,
    out: str | Path,
    width: int = 3,
    every: int | None = None,
    devices: int | str = 1,
    columns: str | Sequence[str] = "",
    schedule: Literal["cosine", "flat"] = "cosine",
    settings: Mapping[str, float] | None = None,
    resume: bool = False,
    progress: bool = True,
    brand_new: Annotated[float, "What nobody had before."] = 0.5,
):
    """What a command calls."""


def parsed(function, *words):
    return vars(tyro.cli(dataclasses.make_dataclass("Command", options_of(function), kw_only=True), args=list(words)))


def test_every_keyword_that_a_word_can_give_is_an_option_with_the_same_default():
    left_out = {"images", "settings"}  # no word says these
    defaults = {n: p.default for n, p in inspect.signature(train).parameters.items() if n not in left_out}
    assert parsed(train, "--out", "runs/a") == defaults | {"out": Path("runs/a")}


def test_options_are_read_as_the_signature_types_them(capsys):
    words = "--out a --every 2 --devices auto --schedule flat --resume --no-progress --brand-new 2 --method x --width 4"
    assert parsed(train, *words.split(), "--columns", "x") == {
        "out": Path("a"),
        "every": 2,
        "devices": "auto",
        "columns": "x",
        "schedule": "flat",
        "resume": True,
        "progress": False,
        "brand_new": 2.0,
        "method": "x",
        "width": 4,
    }
    assert parsed(train, "--out", "a", "--devices", "2", "--columns", "x,y") == {
        **parsed(train, "--out", "a"),
        "devices": 2,
        "columns": "x,y",
    }
    for wrong in (
        ["--width", "x"],
        ["--schedule", "steep"],
        ["--settings", "1"],
        [],
    ):  # the last lacks what is required
        with pytest.raises(SystemExit) as told:
            parsed(train, *wrong)
        assert told.value.code == 2
    capsys.readouterr()


def test_a_text_beside_the_type_is_the_options_help(capsys):
    with pytest.raises(SystemExit):
        parsed(train, "--help")
    said = " ".join(capsys.readouterr().out.split())
    for text in ("--brand-new FLOAT What nobody had before. (default: 0.5)", "--every INT", "--no-progress"):
        assert text in said.replace("│ ", "").replace(" │", "")


def test_every_scalar_keyword_of_pretrain_is_an_option():
    command = {f.name: f.default for f in dataclasses.fields(Pretrain.with_options())}
    for name, parameter in inspect.signature(sslviz.pretrain).parameters.items():
        if name not in {"images", "settings", "held_out", "choice"}:
            assert command.pop(name) == (
                dataclasses.MISSING if parameter.default is parameter.empty else parameter.default
            )
    assert command.keys() == {"images", "set"}


@pytest.mark.parametrize(
    "words", ["--help", "embed --help", "diagnose --help", "list --help", "list images", "list diagnostics", "pretraim"]
)
def test_torch_is_loaded_for_no_command_line_but_those_that_train(words):
    code = "import sys\nfrom sslviz.cli.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, *words.split()], check=True, capture_output=True)
