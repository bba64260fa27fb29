"""What each method learnt in the study that ships with sslviz, and the README's tables of methods made from it.

`python tests/benchmarks/methods.py` writes study.csv, one row for each (images, encoder, method).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from sslviz.methods import Method

STUDY = Path(__file__).with_name("study.csv")
# What the README shows of each source of images; the colour of shapes is read from any encoder, trained or not.
COLUMNS = {"shapes": ("shape", "texture"), "digits": ("label",)}
PACE = {"images_per_second": "images/s", "seconds": "s", "memory_gb": "GB"}
LOWER_IS_BETTER = ("reconstruction_error",)
PREFERRED = ("conv_nano", "vit_nano")  # the first encoder that a method was studied with
LOAD = r" \(load [\d.]+\)"
PAPER = re.compile(r"https://arxiv\.org/abs/(\d{4}\.\d{4,5})")


def read_study(path: Path | None = None) -> pd.DataFrame:
    """One row for each (images, encoder, method) of a study, by default the one that ships; none where there is no file."""
    path = path or STUDY
    if not path.exists():
        return pd.DataFrame({"images": [], "encoder": [], "method": []})
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def readme_methods_table() -> str:
    """The README's table of methods, family by family; `python tests/test_docs.py` writes it there."""
    from sslviz.methods import METHODS

    rows = [(f"`{name}`, {_paper(method)}", _safeguards(method)) for name, method in METHODS.items()]
    return _table(["family", "method, paper", "what keeps it from collapsing"], rows)


def readme_study_table(study: pd.DataFrame | None = None) -> str:
    """What each method learnt from an equal budget, family by family, and on what; for the README, likewise."""
    from sslviz.methods import METHODS

    study = read_study() if study is None else study
    first, rows = next(iter(COLUMNS)), []
    headings = [f"{images}: {column}" for images, columns in COLUMNS.items() for column in columns]
    headings += ["few labels", "painted", "kNN", "RankMe", "verdict", *PACE.values()]
    for name in METHODS:
        found = {images: _studied(study, images, name) for images in COLUMNS}
        of = found[first]
        encoder = of.get("encoder", "")
        cells = [_cell(found[images], f"linear_{column}") for images, columns in COLUMNS.items() for column in columns]
        cells += [_cell(of, "few_labels", "few_labels_scratch")]
        cells += [_cell(of, "reconstruction_error", "reconstruction_control")]
        cells += [_cell(of, "knn"), _cell(of, "rankme"), of.get("verdict", ""), *(_number(of.get(key)) for key in PACE)]
        rows.append((f"`{name}`{f' ({encoder})' if encoder not in ('', PREFERRED[0]) else ''}", *cells))
    return _table(["family", "method", *headings], rows) + "\n\n" + _measured_on(study)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of Markdown, one for each method, its family named once."""
    from sslviz.methods import METHODS

    lines, before = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"], ""
    for method, cells in zip(METHODS.values(), rows, strict=True):
        family, before = "" if method.family == before else method.family, method.family
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _measured_on(study: pd.DataFrame) -> str:
    """The budget, the hardware and the date in a line."""
    if not len(study):
        return "Measured: nothing yet."
    budget = f"{study['views'].max():,.0f} views a run, {study['seeds'].max():.0f} seeds"
    hardware = study["hardware"].dropna().str.replace(LOAD, "", regex=True)  # each row has the load of its own moment
    where = "; ".join(dict.fromkeys(hardware))
    return f"Measured: {budget}; {where}; {', '.join(sorted(set(study['date'].dropna())))}."


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


def _cell(row: Mapping[str, Any], name: str, control: str = "") -> str:
    """A score, how far its interval reaches, and its control; bold where the intervals of both lie apart."""
    if pd.isna(row.get(name)):
        return ""
    control = control or f"{name}_untrained"
    ends = [row.get(f"{name}_{end}") for name in (name, control) for end in ("low", "high")]
    low, high, control_low, control_high = (float("nan") if pd.isna(end) else float(end) for end in ends)
    score = _number(row[name]) + ("" if pd.isna(high) else f" ± {_number(high - row[name])}")
    apart = name != "rankme" and (high < control_low if name in LOWER_IS_BETTER else low > control_high)
    return f"{f'**{score}**' if apart else score} ({_number(row[control])})"


def _number(value: Any) -> str:
    """Two digits after the point below 10, three below 0.1, none above."""
    if value is None or pd.isna(value):
        return ""
    return f"{value:,.0f}" if value >= 10 else f"{value:.3f}" if abs(value) < 0.1 else f"{value:.2f}"


def _paper(method: type[Method]) -> str:
    """A link to the paper, from the docstring of the method's file."""
    said = sys.modules[method.__module__].__doc__ or ""
    found = PAPER.search(said)
    return f"[{found[1]}]({found[0]})" if found else ""


def _safeguards(method: type[Method]) -> str:
    """What keeps it from collapsing, and the settings that switch it off."""
    safeguards: Mapping[str, Mapping[str, Any]] = getattr(method, "safeguards", {})
    return "; ".join(
        f"{name} (off: `{', '.join(f'{key}={value}' for key, value in off.items())}`)"
        for name, off in safeguards.items()
    )
