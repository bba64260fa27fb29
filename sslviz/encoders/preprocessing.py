"""Preprocessing: how pictures are fed to an encoder, and where each of its values comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import timm

from sslviz.encoders.given_settings import INTERPOLATIONS, checked, normalization_text
from sslviz.encoders.presets import PRESETS
from sslviz.encoders.published import NORMALIZATIONS, Hinted, full_name, normalizations, published
from sslviz.encoders.stated import Stated, WeightsFile
from sslviz.encoders.stems import ChosenStem

# The whole picture, resampled alike for every encoder.  Encoders are compared on the same pixels, maps and masks lie over
# whole pictures, and what an audit asks about may stand at the border.  timm evaluates published weights on a part of the
# picture (crop 0.875 to 1), which is said, and settable.
OURS = Stated({"interpolation": "bilinear", "crop": 1.0, "crop_mode": "squash"}, "sslviz's default")
Normalization = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Preprocessing:
    """How are pictures fed to this encoder, and who says so?

    - mean, std: what pixels from 0 to 1 are normalised with, three numbers each
    - image_size: the side in pixels of what the encoder gets
    - interpolation: how pictures of another size are brought to it
    - crop: the share of the side that is seen, its middle; 1 is the whole picture
    - crop_mode: "squash" brings both sides to the size, "center" the shorter one, and cuts the longer
    - stem: how a ResNet begins; None for other architectures
    - origins: where each value comes from
    - stem_layers: the stem in words
    - notes: what else there was to choose, a sentence each
    - problem: what has to be chosen before weights can be taken; "" where nothing has
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    interpolation: str = "bilinear"
    crop: float = 1.0
    crop_mode: str = "squash"
    stem: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    stem_layers: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As run.json keeps it: {"values", "origins", "notes"}."""
        names = ("mean", "std", "image_size", "interpolation", "crop", "crop_mode", "stem", "stem_layers")
        values = {name: getattr(self, name) for name in names if getattr(self, name) not in (None, "")}
        return {"values": values, "origins": dict(self.origins), "notes": list(self.notes)}

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of `create_encoder` that say all of it."""
        config: dict[str, Any] = {"image_size": self.image_size, "mean": list(self.mean), "std": list(self.std)}
        config |= {"interpolation": self.interpolation, "crop": self.crop, "crop_mode": self.crop_mode}
        return config | ({"stem": self.stem} if self.stem else {})

    def with_origins(self, **origins: str) -> Preprocessing:
        """The same, where somebody knows better where a value comes from."""
        return replace(self, origins={**self.origins, **origins})

    def with_notes(self, notes: Sequence[str]) -> Preprocessing:
        """The same, with more to say."""
        return replace(self, notes=(*self.notes, *notes))

    def with_stem(self, stem: ChosenStem | None) -> Preprocessing:
        """The same, with the stem that was built."""
        if stem is None:
            return self
        return replace(self, stem=stem.name, stem_layers=stem.layers).with_origins(stem=stem.origin)


def resolve(
    name: str, given: Mapping[str, Any], file: WeightsFile | None = None, *, default: Stated | None = None
) -> Preprocessing:
    """Where every value is decided: what was given, else the file's own, else timm's for this model, else ours.

    - name: the encoder, perhaps with timm's tag
    - given: settings by name; None where nothing was given
    - file: the weights that are to be taken, if they are not random
    - default: what a network of another library states itself, in the place of timm's

    ValueError for settings that make no sense, for unknown encoders, and where nobody states mean, std or size.
    """
    chosen, foreign = checked(given), default is not None
    stated, default = file.stated(name.split(".")[0]) if file else Stated(), default or _default(name)
    layers = [Stated(chosen, "given"), _understood(stated)]
    layers += [_size_of_file(name, file)] if file and not foreign else []
    own = {key: default.values[key] for key in ("mean", "std", "image_size") if key in default.values}
    layers += [Stated(own, default.origin), OURS]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        values |= (new := {key: value for key, value in layer.values.items() if key not in values})
        origins |= dict.fromkeys(new, layer.origin)
    _require(name, values, default)
    for key in ("interpolation", "crop"):
        origins[key] += _otherwise(key, values[key], stated, default) if origins[key] == OURS.origin else ""
    # Presets are trained here, and fed as here: no other library publishes them.
    by_default = not foreign and origins["mean"] == default.origin and "." not in name and name not in PRESETS
    problem, notes = _choice(name, (values["mean"], values["std"]), file) if file and by_default else ("", ())
    for key in ("mean", "std") if problem else ():
        origins[key] += ", unless another is chosen"
    passed_over = tuple(note for layer in (stated, layers[1], default) for note in layer.passed_over)
    notes = (*passed_over, *notes, *(() if foreign else _activation(name, file)))
    return Preprocessing(**values, origins=origins, notes=notes, problem=problem)


def _require(name: str, values: Mapping[str, Any], default: Stated) -> None:
    """ValueError, which names the options, where mean and std or the size are neither given nor stated."""
    options = {
        "mean": "--mean and --std (three numbers each, or imagenet, inception, clip)",
        "image_size": "--image-size",
    }
    if lacking := [option for key, option in options.items() if key not in values]:
        raise ValueError(
            f"Nothing says how pictures are fed to {name}: give {' and '.join(lacking)}."
            + "".join(f" {sentence.rstrip('.')}." for sentence in default.passed_over)
        )


def _understood(stated: Stated) -> Stated:
    """Of what a file states that which is taken: not the crop, so that the whole picture is seen."""
    own = {key: value for key, value in stated.values.items() if key in ("mean", "std", "image_size", "stem")}
    if stated.values.get("interpolation") in INTERPOLATIONS:  # the others are close to bicubic, and torch lacks them
        own["interpolation"] = stated.values["interpolation"]
    try:
        return Stated(checked(own), stated.origin)
    except ValueError as error:
        return Stated({}, "", (f"{stated.origin} was passed over: {error}",))


def _otherwise(key: str, taken: Any, *sources: Stated) -> str:
    """Who has another value than ours, and how to take it."""
    for source in sources:
        theirs = source.values.get(key, taken)
        if theirs != taken:
            option = f"--{key} {theirs}"
            return f"; {source.origin} has {theirs}" + (
                f" ({option})" if key == "crop" or theirs in INTERPOLATIONS else ""
            )
    return ""


def _default(name: str) -> Stated:
    """How the model is fed where nobody else says: ours for presets, else as timm publishes it."""
    if name in PRESETS:
        half = (0.5, 0.5, 0.5)
        return Stated({"mean": half, "std": half, "image_size": 32}, "sslviz's default for presets")
    config = published(name)
    values = {"mean": tuple(config.mean), "std": tuple(config.std), "image_size": config.input_size[-1]}
    return Stated(
        {**values, "interpolation": config.interpolation, "crop": config.crop_pct}, f"timm's {full_name(name)}"
    )


def _size_of_file(name: str, file: WeightsFile) -> Stated:
    """The pictures' size that the position embeddings in the file are for, where the model has such."""
    config = None if name in PRESETS else published(name)
    grid, kernel = file.grid, file.kernel
    if config and config.fixed_input_size and config.first_conv == "patch_embed.proj" and grid and kernel:
        size, patch = grid * kernel[-1], f"{kernel[-1]}x{kernel[-1]}"
        if size != config.input_size[-1]:
            return Stated({"image_size": size}, f"the shapes in the file ({grid} patches of {patch} a side)")
    return Stated()


def _choice(name: str, taken: Normalization, file: WeightsFile) -> tuple[str, tuple[str, ...]]:
    """What has to be chosen before the file is taken, and what else could be; nothing where nobody would choose otherwise."""
    options = normalizations(name)
    if hinted := file.hint:
        theirs = NORMALIZATIONS[hinted.hint.normalization]
        return (_ambiguous(name, file, hinted, taken, options) if theirs != taken else ""), ()
    others = [f"--tag {tags[0]} ({normalization_text(*pair)})" for pair, tags in options.items() if pair != taken]
    if not others:
        return "", ()
    differ = f"timm's weights of {name} differ in mean and std, and no name in the file says which these are"
    return "", (f"{differ}; there is also {'; '.join(others)}",)


def _activation(name: str, file: WeightsFile | None) -> tuple[str, ...]:
    """OpenAI's CLIP has an activation of its own, which leaves no trace in a file."""
    quick = name.split(".")[0].replace("_clip_", "_clip_quickgelu_")
    if file is None or "quickgelu" in name or quick == name or not timm.is_model(quick):
        return ()
    return (f"OpenAI's CLIP was trained with QuickGELU, which no file tells: if this is OpenAI's, name {quick}",)


def _ambiguous(
    name: str, file: WeightsFile, hinted: Hinted, taken: Normalization, options: Mapping[Normalization, tuple[str, ...]]
) -> str:
    """One sentence: what the names hint at, what the default is, and how to choose either."""
    hint, theirs = hinted.hint, NORMALIZATIONS[hinted.hint.normalization]
    tags = [tag for tag in options.get(theirs, ()) if tag.startswith(hint.tags)] if hint.tags else []
    first = f"--tag {tags[0]}" if tags else f"--mean {hint.normalization}"
    default = published(name).tag or ""
    words = next(
        (f"--mean {word}" for word, pair in NORMALIZATIONS.items() if pair == taken), "--mean R G B --std R G B"
    )
    second = f"--tag {default}" if default in options.get(taken, ()) else words
    return (
        f"{file.path.name} has {hinted.part!r} in its names, as files of {hint.who} have: choose {first} "
        f"({normalization_text(*theirs)}), or {second}, timm's default for {name} ({normalization_text(*taken)}), "
        "or give others with --mean and --std."
    )
