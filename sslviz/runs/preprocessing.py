"""How pictures are fed to a run's encoder, as its folder says it: rows and lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslviz.runs.run import Run

Row = tuple[str, str, str]  # what, its value, where it comes from
LABELS = {
    "mean": "mean",
    "std": "std",
    "image_size": "input size",
    "interpolation": "interpolation",
    "crop": "crop",
    "stem": "stem",
}
UNKNOWN = "not recorded"  # runs of an sslviz that did not write it down


def run_preprocessing(run: Run) -> dict[str, Any]:
    """{"values", "origins", "notes"} of a run; of a folder that an older sslviz wrote, what its settings amount to."""
    if stored := run.info.get("preprocessing"):
        return dict(stored)
    config, views = run.info.get("encoder", {}), run.info.get("views", {})
    values = {key: config[key] for key in LABELS if key in config}
    origins = dict.fromkeys(values, UNKNOWN)
    if "mean" in views:  # what it was trained on
        values |= {"mean": views["mean"], "std": views["std"]}
        origins |= dict.fromkeys(("mean", "std"), "the views it was trained on")
        origins |= {"image_size": "the pictures it was trained on"}
    elif run.info.get("kind") == "import":
        _add_defaults(config, values, origins)
    values |= {"interpolation": "bilinear", "crop": 1.0}  # there was no other
    origins |= dict.fromkeys(("interpolation", "crop"), "sslviz's default")
    return {"values": values, "origins": origins, "notes": []}


def _add_defaults(config: Mapping[str, Any], values: dict[str, Any], origins: dict[str, str]) -> None:
    """Mean and std as they were taken by default, which an old import does not hold."""
    from sslviz.encoders.preprocessing import resolve

    try:
        fed = resolve(config["name"], {"image_size": config.get("image_size")})
    except (ValueError, KeyError):
        return  # an encoder that is not known here
    values |= {"mean": list(fed.mean), "std": list(fed.std)}
    origins |= {key: f"{fed.origins[key]}, by default" for key in ("mean", "std")}


def preprocessing_rows(stored: Mapping[str, Any]) -> list[Row]:
    """A row for each value; mean and std, which belong together, come first."""
    values, origins = stored["values"], stored["origins"]
    return [(label, _text(key, values), origins.get(key, UNKNOWN)) for key, label in LABELS.items() if key in values]


def preprocessing_lines(stored: Mapping[str, Any]) -> list[str]:
    """A line for each value, with its origin, and for each note; mean and std of one origin share a line."""
    rows = preprocessing_rows(stored)
    if [row[0] for row in rows[:2]] == ["mean", "std"] and rows[0][2] == rows[1][2]:
        (_, mean, origin), (_, std, _), *rest = rows
        rows = [("mean", f"{mean}, std {std}", origin), *rest]
    return [*(f"{what} {value}: {origin}" for what, value, origin in rows), *(f"{note}." for note in stored["notes"])]


def _text(key: str, values: Mapping[str, Any]) -> str:
    value = values[key]
    if key in ("mean", "std"):
        return " ".join(f"{number:g}" for number in value)
    if key == "image_size":
        return f"{value} px"
    if key == "crop":
        mode = ", center" if values.get("crop_mode") == "center" else ""
        return f"{value:g}{mode}{' (the whole picture)' if value == 1 and not mode else ''}"
    return f"{value} ({values['stem_layers']})" if key == "stem" and values.get("stem_layers") else str(value)
