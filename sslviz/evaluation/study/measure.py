"""What is measured of a run of a study, and of the untrained encoder beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sslviz.catalog import find_entry
from sslviz.data import Images
from sslviz.evaluation.answers import compute_entry
from sslviz.evaluation.column_checks import check_named_columns
from sslviz.evaluation.questions import scored_and_fit, trained_and_watched
from sslviz.features.column_kinds import asked_columns, describe_columns
from sslviz.features.evidence import TRAINED, Evidence

if TYPE_CHECKING:
    from sslviz.runs import Checkpoint, Run

WATCHED = 256  # pictures that a training looks at in its two evaluations, which cost time and decide nothing here


def with_splits(images: Images) -> Images:
    """The pictures with a split each: their own, or 60/20/20 % train, probe and test by the hash of the id."""
    if "split" in images.table:
        return images
    table = images.table.assign(split="")
    for name in ("train", "probe", "test"):
        table.loc[images.table.index[_in_split(images, name)], "split"] = name
    return replace(images, table=table)


def _in_split(images: Images, name: str) -> Any:
    import numpy as np

    return np.isin(images.ids, images.split(name).ids)


def trained_watched_scored(images: Images) -> tuple[Images, Images, Images, Images | None]:
    """The pictures that are trained on, that training is watched by, that are scored, and that probes are fitted on."""
    from sslviz.data.sampling import sample_rows
    from sslviz.training.monitor import hold_out

    images = with_splits(images)
    train, watched, _ = trained_and_watched(images)
    if watched is None:
        train, watched = hold_out(train, 0)
    watched = watched.rows(sample_rows(len(watched), WATCHED), watched.spec)
    return train, watched, *scored_and_fit(images)


def asked_about(scored: Images, fit: Images | None, columns: Sequence[str]) -> list[str]:
    """The columns that are read out, all with classes unless some are named; ValueError where there is none."""
    of_fit = None if fit is None else fit.table
    for column in columns:
        check_named_columns(scored.table, of_fit, column, [])
    described = describe_columns(scored.table, of_fit)
    asked = list(columns) or asked_columns(described)
    if not asked:
        why = " ".join(f"{column.name}: {column.left_out}." for column in described if column.kind != "split")
        raise ValueError(f"A study asks what can be read from the features, but no column has classes. {why}".strip())
    return asked


def measure(checkpoint: Checkpoint, scored: Images, fit: Images | None, columns: Sequence[str]) -> dict[str, Any]:
    """{score: number} of a checkpoint, and its `verdict` on collapse.

    The scores are `knn` of the first column, `linear:<column>` of each, and `rankme`.
    """
    from sslviz.features.embed import embed, embed_projector

    features = embed(checkpoint, scored, progress=False)
    try:
        projector = embed_projector(checkpoint, scored, progress=False) if checkpoint.head else None
    except ValueError:  # a method without one
        projector = None
    shown = {"images": {TRAINED: features}, "fit": {TRAINED: embed(checkpoint, fit, progress=False)} if fit else {}}
    shown["projector"] = {TRAINED: projector} if projector else {}
    evidence = Evidence({name: found for name, found in shown.items() if found})

    def ask(name: str, *columns: str) -> Any:
        return compute_entry(find_entry(name), evidence, columns)

    return {
        "knn": ask("knn_probe", columns[0]).accuracy,
        **{f"linear:{column}": ask("linear_probe", column).accuracy for column in columns},
        "rankme": ask("spectrum").scores()["rankme"].value,
        "verdict": ask("collapse").verdict,
    }


def pace(run: Run) -> dict[str, float]:
    """How fast a run was: pictures a second without its evaluations, and seconds with them."""
    history = run.history[["images", "images_per_second"]].dropna()
    images = history["images"].diff().fillna(history["images"])
    rate = float(images.sum() / (images / history["images_per_second"]).sum())
    return {"images_per_second": rate, "seconds": float(run.info.get("seconds", run.history["seconds"].iloc[-1]))}
