"""What was understood of a file of weights: what a user reads, and what run.json keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sslviz.encoders.foreign_files import few
from sslviz.encoders.networks import grid


@dataclass(frozen=True)
class LoadReport:
    """What was taken from a file of weights, and what was not.

    - path: the file
    - format: the kind of container
    - prefix: what stood before the names in the file
    - candidates: every network in the file that fits, {what `--from` calls it: how many of its tensors are used}
    - chosen_by: why this one was taken, where there were several
    - matched: the names of the encoder's tensors that were found
    - size: how many the encoder has
    - heads: names in the file of heads, and of what only training needs
    - unused: names in the encoder's own part of the file that have no place in it; an error unless allowed
    - others: names of everything else in the file: other networks, projections, the optimiser's state
    - ignored_objects: {class: how often} of objects beside the weights, of which none was loaded
    - pairs: (name in the file, ours) of tensors that were matched by their order alone
    - converted_by: whose names were translated; "" for timm's own
    - resized: position embeddings that were made to fit, one sentence each
    - notes: what else there is to say, one sentence each
    - problems: why the weights cannot be loaded, one sentence each; empty if they can
    - loaded: whether they were, or the file was only looked at
    """

    path: str
    format: str
    prefix: str = ""
    candidates: Mapping[str, int] = field(default_factory=dict)
    chosen_by: str = ""
    matched: tuple[str, ...] = ()
    size: int = 0
    heads: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    ignored_objects: Mapping[str, int] = field(default_factory=dict)
    converted_by: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    resized: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    loaded: bool = True

    @property
    def unexpected(self) -> tuple[str, ...]:
        """All tensors of the file that were not used."""
        return self.heads + self.unused + self.others

    @property
    def lines(self) -> tuple[str, ...]:
        """What a user reads, the most important first."""
        lines = list(self.problems)
        if self.matched and not self.problems:
            lines.append(self._first())
        if len(self.candidates) > 1:
            names = ", ".join(f"{key} ({n} tensors)" for key, n in self.candidates.items())
            why = f"; {self.chosen_by}" if self.chosen_by else ""
            taken = f" Taken: {self.prefix.rstrip('.') or '(the whole file)'}{why}." if not self.problems else ""
            lines.append(
                f"{len(self.candidates)} networks in the file fit: {names}.{taken} `--from KEY` takes another."
            )
        if self.converted_by:
            lines.append(f"Names and shapes were translated from those of {self.converted_by}.")
        if self.pairs and not self.problems:
            listed = few([f"{theirs} -> {ours}" for theirs, ours in self.pairs], 6)
            lines.append(f"Matched by order, not by name: {listed}.")
        lines += self.resized
        if self.heads and len(self.heads) < len(self.unexpected):
            lines.append(f"Left out, as heads or for training only: {few(self.heads)}.")
        if self.unused and not self.problems:
            lines.append(f"Left out although it lies inside the encoder, as you allowed: {few(self.unused, 6)}.")
        if self.ignored_objects:
            objects = [f"{n} {name}" if n > 1 else name for name, n in self.ignored_objects.items()]
            lines.append(f"Beside the weights, ignored and not run: {few(objects, 6)}.")
        return (*lines, *self.notes)

    def _first(self) -> str:
        prefix = f", found under {self.prefix!r}" if self.prefix else ""
        n = len(self.unexpected)
        others = "1 other in the file was" if n == 1 else f"{n} others in the file were"
        named = self.unused + self.others  # heads have a line of their own, unless there is nothing else
        which = f" ({few(named)})" if named else f", as heads or for training only: {few(self.heads)}"
        rest = f"; {others} not used{which}" if n else ""
        return f"{len(self.matched)} weights {'loaded' if self.loaded else 'would be loaded'}{prefix}{rest}."

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def to_dict(self) -> dict[str, Any]:
        """What run.json keeps: numbers and names, of other networks only how many tensors each part has."""
        return {
            "path": self.path,
            "format": self.format,
            "prefix": self.prefix,
            "candidates": dict(self.candidates),
            "chosen_by": self.chosen_by,
            "matched": len(self.matched),
            "of": self.size,
            "heads": list(self.heads),
            "unused": list(self.unused),
            "others": dict(Counter(name.split(".")[0] for name in self.others)),
            "ignored_objects": dict(self.ignored_objects),
            "converted_by": self.converted_by,
            "pairs": [list(pair) for pair in self.pairs],
            "resized": list(self.resized),
            "notes": list(self.notes),
            "problems": list(self.problems),
        }


def resizing(name: str, before: tuple[int, ...], after: tuple[int, ...], patch: int | None) -> str:
    """A sentence on position embeddings that were interpolated."""
    old, new = grid(before), grid(after)
    if old is None or new is None:
        return f"{name} was resized from {before} to {after}, as timm does it."
    pixels = f" --image-size {old * patch} keeps the file's own." if patch else ""
    return f"Position embeddings were resized from {old}x{old} to {new}x{new} patches, as timm does it.{pixels}"
