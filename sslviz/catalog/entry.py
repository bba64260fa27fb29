"""Entry: one question, who answers it, and where the answer is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import plotly.graph_objects as go

from sslviz.catalog.drawing import figure_of

if TYPE_CHECKING:
    from sslviz.transfer.budget import Budget


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One question, who answers it, and where the answer is shown.

    - name: of the public function that answers
    - question: as the app asks it
    - home: the module of that function, below sslviz; result type, caveat and figure are found from there
    - control: what its numbers stand beside, in words
    - page: of the app that shows it
    - scope: asked once for each checkpoint, label, attribute, pair of columns (label, attribute) or pair of
      checkpoints.  "pictures": asked of a checkpoint and pictures that somebody chose, not of features.  "images":
      asked of a checkpoint and of images, because it trains or reads the encoder's grid (`sslviz transfer`)
    - inputs: what it looks at, in order, as `Evidence.given` names it; the columns come after
    - options: what it is given by keyword, likewise; of scope "images": "label", "fit", "target" and "precision", where it
      takes them.  "group" is no keyword: its features say which images belong together, and it keeps these on one side of
      its splits
    - group: under which question the page shows it, where it shows several
    - section: of the report, one of `SECTIONS`; empty: not reported
    - gravity: place of its hypothesis test among the findings of a report, 1 the gravest; 0: it tests nothing there
    - overview: heading of its first score in the overview; empty: it is not in there
    - many_classes: whether it is asked of columns with more classes than fit into a figure's bars
    - least_per_class: images that a class needs where one half is fitted on; smaller ones are left out
    - varying: whether a class is left out that shows one value of the attribute only
    - max_images: of more images a sample is taken, the same for every checkpoint; None: all are looked at
    - page_stimuli: stimuli that its page shows beside it
    - opt_in: whether it is asked only where it is named, because it takes a package of its own and a minute
    - on_demand: whether the app waits for somebody to ask, because it takes minutes
    - over_training: whether its page follows it through the steps of a training
    - about_images: whether it says something of the images alone, whatever the checkpoint
    - rates_encoder: whether more or less of its scores speaks for or against the encoder
    - figure_has_scores: whether its figure shows all its scores already
    - at_once: whether its page begins with its answer, in words, and asks it as soon as it is opened
    - against_worth: whether its page draws it against the first score of the entry that it asks at once
    """

    name: str
    question: str
    home: str
    control: str
    page: str
    scope: Literal["checkpoint", "label", "attribute", "columns", "pair", "pictures", "images"] = "checkpoint"
    inputs: tuple[str, ...] = ("features",)
    options: tuple[str, ...] = ()
    group: str = ""
    section: str = ""
    gravity: int = 0
    overview: str = ""
    many_classes: bool = False
    least_per_class: int = 2
    varying: bool = False
    max_images: int | None = None
    page_stimuli: tuple[str, ...] = ()
    opt_in: bool = False
    on_demand: bool = False
    over_training: bool = False
    about_images: bool = False
    rates_encoder: bool = True
    figure_has_scores: bool = False
    at_once: bool = False
    against_worth: bool = False

    @property
    def by_default(self) -> bool:
        """Whether it is asked of a checkpoint alone: no other checkpoint, attribute or domain and not itself being named."""
        return self.scope in ("checkpoint", "label") and not self.opt_in and not self.needs_target

    @property
    def needs_target(self) -> bool:
        """Whether it is asked only where images of another domain are named too."""
        return "target" in (*self.inputs, *self.options)

    @property
    def most_classes(self) -> int:
        """Of how many classes a column may be that it is asked of."""
        from sslviz.features.column_kinds import (  # with pandas, which a listing need not load
            MANY_CLASSES,
            MOST_CLASSES,
        )

        return MOST_CLASSES if self.many_classes else MANY_CLASSES

    @property
    def compute(self) -> Callable[..., Any]:
        """The function of this name; its module is loaded when it is asked for."""
        return getattr(import_module(f"sslviz.{self.home}"), self.name)

    @property
    def budget(self) -> Budget:
        """Of scope "images": what its function puts through an encoder, and what makes it shorter; `BUDGET` beside it."""
        found: Budget = import_module(f"sslviz.{self.home}").BUDGET
        return found

    @property
    def result_type(self) -> type:
        """The class of what it returns, by its annotation."""
        kind = self.compute.__annotations__["return"]
        return getattr(import_module(self.compute.__module__), kind) if isinstance(kind, str) else kind

    @property
    def figure(self) -> Callable[..., go.Figure]:
        """The figure of its results."""
        return figure_of(self.result_type)

    @property
    def caveat(self) -> str:
        """The sentence shown under every figure: the last paragraph of the function's docstring."""
        return " ".join((self.compute.__doc__ or "").partition("Caveat:")[2].split())
