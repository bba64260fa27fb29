"""What each method learnt in the study that ships with sslviz, and the README's table of methods made from it.

`python tests/benchmarks/methods.py` writes study.csv, one row for each (images, encoder, method).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sslviz.methods import METHODS, Method

STUDY = Path(__file__).with_name("study.csv")
COLUMNS = {"shapes": ("shape", "color"), "digits": ("label",)}  # what the README shows of each source of images
PREFERRED = ("conv_nano", "vit_nano")  # the first encoder that a method was studied with
PAPER = re.compile(r"https://arxiv\.org/abs/(\d{4}\.\d{4,5})")


def read_study(path: Path = STUDY) -> pd.DataFrame:
    """One row for each (images, encoder, method) that was studied; without rows where none was."""
    if not path.exists():
        return pd.DataFrame({"images": [], "encoder": [], "method": []})
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def readme_methods_table(study: pd.DataFrame | None = None, methods: Mapping[str, type[Method]] = METHODS) -> str:
    """The README's table of methods, family by family; `python tests/test_docs.py` writes it there."""
    study = read_study() if study is None else study
    headings = [f"{images}: {column}" for images, columns in COLUMNS.items() for column in columns]
    lines = [f"| family | method, paper | what keeps it from collapsing | {' | '.join(headings)} |"]
    lines += ["|---|---|---|" + "---|" * len(headings)]
    before = ""
    for name, method in methods.items():
        rows = {images: _studied(study, images, name) for images in COLUMNS}
        encoder = next((row["encoder"] for row in rows.values() if row), "")
        beside = f" ({encoder})" if encoder not in ("", PREFERRED[0]) else ""
        cells = [_cell(rows[images], column) for images, columns in COLUMNS.items() for column in columns]
        family = method.family if method.family != before else ""
        before = method.family
        lines.append(f"| {family} | `{name}`{beside}, {_paper(method)} | {_safeguards(method)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _studied(study: pd.DataFrame, images: str, method: str) -> dict[str, Any]:
    """The row of a method on these images, with the first of the preferred encoders; {} without one."""
    rows = (
        study[(study["images"].str.partition(":")[0] == images) & (study["method"] == method)] if len(study) else study
    )
    for encoder in PREFERRED:
        found = rows[rows["encoder"] == encoder]
        if len(found):
            return {str(key): value for key, value in found.iloc[0].items()}
    return {}


def _cell(row: Mapping[str, Any], column: str) -> str:
    """The accuracy of a linear probe, how far its interval reaches, the untrained encoder's; bold where it beats that."""
    name = f"linear_{column}"
    if pd.isna(row.get(name)):
        return ""
    reach = "" if pd.isna(row[f"{name}_high"]) else f" ± {row[f'{name}_high'] - row[name]:.2f}"
    accuracy = f"{row[name]:.2f}{reach}"
    beats = str(row.get(f"beats_untrained_{column}")) == "True"
    return f"{f'**{accuracy}**' if beats else accuracy} ({row[f'{name}_untrained']:.2f})"


def _paper(method: type[Method]) -> str:
    """A link to the paper, from the docstring of the method's file."""
    said = sys.modules[method.__module__].__doc__ or ""
    found = PAPER.search(said)
    return f"[{found[1]}]({found[0]})" if found else ""


def _safeguards(method: type[Method]) -> str:
    """What keeps it from collapsing, and the settings that switch it off."""
    safeguards: Mapping[str, Mapping[str, Any]] = getattr(method, "safeguards", {})
    return "; ".join(
        f"{name} (`{', '.join(f'{key}={value}' for key, value in off.items())}` collapses it)"
        for name, off in safeguards.items()
    )
