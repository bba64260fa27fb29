"""The catalog: what can be asked, who answers, how it looks, and where it is shown.

One literal tuple of `Entry`.  The app's pages, the report's sections, the README's table, the command line and the
contract tests are made from it; no other table lists diagnostics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any, Literal

import plotly.graph_objects as go

from sslviz.diagnostics.result import caution

MAP_POINTS = 10_000  # a UMAP of more takes minutes on two cores
SECTIONS = (  # of the report, in the order of a model card (arXiv 1810.03993)
    "Health",
    "Geometry",
    "Decodability: what is in the features",
    "Reliance: what is used",
    "Groups: who is served worse",
    "Association",
    "Data: what the images hold themselves",
    "Invariance: what it is blind to",
    "Failures nobody named",
    "Mitigation preview",
    "Attention and attribution",
)
HEALTH, GEOMETRY, DECODABILITY, RELIANCE, GROUPS, ASSOCIATION, DATA, INVARIANCE, FAILURES, REMEDIES, PIXELS = SECTIONS


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One question, who answers it, and where the answer is shown.

    - name: of the public function that answers
    - question: as the app asks it
    - home: the module of that function, below sslviz; result type, caveat and figure are found from there
    - control: what its numbers stand beside, in words
    - page: of the app that shows it
    - scope: asked once for each checkpoint, label, attribute, pair of columns (label, attribute) or pair of checkpoints;
      "pictures": asked of a checkpoint and pictures that somebody chose, not of features
    - inputs: what it looks at, in order, as `Evidence.given` names it; the columns come after
    - options: what it is given by keyword, likewise
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
    """

    name: str
    question: str
    home: str
    control: str
    page: str
    scope: Literal["checkpoint", "label", "attribute", "columns", "pair", "pictures"] = "checkpoint"
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

    @property
    def by_default(self) -> bool:
        """Whether it is asked of a checkpoint alone, no other checkpoint, no attribute and not itself being named."""
        return self.scope in ("checkpoint", "label") and not self.opt_in

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
    def result_type(self) -> type:
        """The class of what it returns, by its annotation."""
        kind = self.compute.__annotations__["return"]
        return getattr(import_module(self.compute.__module__), kind) if isinstance(kind, str) else kind

    @property
    def figure(self) -> Callable[..., go.Figure]:
        """The figure of its results."""
        return _figure_of(self.result_type)

    @property
    def caveat(self) -> str:
        """The sentence shown under every figure: the last paragraph of the function's docstring."""
        return " ".join((self.compute.__doc__ or "").partition("Caveat:")[2].split())


CATALOG: tuple[Entry, ...] = (
    # --- collapse
    Entry(
        name="collapse", question="Has it collapsed, and how?", home="diagnostics.geometry.collapse",
        control="noise of the same n and d", page="collapse", section=HEALTH, options=("projector",),
        overview="spread", over_training=True,
    ),
    Entry(
        name="spectrum", question="How many directions does it use?", home="diagnostics.geometry.spectrum",
        control="Gaussian noise of the same n and d", page="collapse", section=HEALTH, overview="RankMe", over_training=True,
    ),
    # --- geometry
    Entry(
        name="alignment", question="How near do two views of one image lie?", home="diagnostics.geometry.alignment",
        control="views of different images", page="geometry", inputs=("view", "other_view"),
    ),
    Entry(
        name="uniformity", question="How evenly do the features fill the sphere?", home="diagnostics.geometry.uniformity",
        control="points spread evenly over the sphere", page="geometry", section=GEOMETRY,
    ),
    Entry(
        name="lidar", question="How many directions tell objects apart?", home="diagnostics.geometry.lidar",
        control="the same views with objects shuffled", page="geometry", inputs=("views",),
    ),
    Entry(
        name="intrinsic_dimension", question="How many dimensions do the images really fill?",
        home="diagnostics.geometry.intrinsic_dimension", control="Gaussian noise of the same n and d", page="geometry",
        section=GEOMETRY,
    ),
    Entry(
        name="hubness", question="Do a few images crowd into everyone's neighbourhood?", home="diagnostics.geometry.hubness",
        control="Gaussian noise of the same n and d, neighbours by chance", page="geometry", section=GEOMETRY,
    ),
    Entry(
        name="neural_collapse", question="How tight are the classes?", home="diagnostics.geometry.neural_collapse",
        control="the labels shuffled", page="geometry", scope="label", many_classes=True,
    ),
    Entry(
        name="invariance", question="What is it blind to, and why?", home="diagnostics.robustness.invariance",
        control="another picture, the encoder untrained", page="geometry", section=INVARIANCE, inputs=("altered",),
        options=("changed", "altered_controls", "changed_controls"),
    ),
    # --- map
    Entry(
        name="projection", question="What is near what?", home="diagnostics.projection.projection",
        control="PCA, chance, and the map of noise with the same covariance", page="map", options=("method",),
        overview="map", max_images=MAP_POINTS, on_demand=True, rates_encoder=False,
    ),
    # --- similarity
    Entry(
        name="similarity", question="How alike are two spaces?", home="diagnostics.similarity.similarity",
        control="unrelated images (the rows of one space shuffled)", page="similarity", scope="pair",
        page_stimuli=("layers",), figure_has_scores=True,
    ),
    Entry(
        name="changed", question="Which images changed?", home="diagnostics.similarity.changed",
        control="what unrelated spaces share", page="similarity", scope="pair", figure_has_scores=True,
    ),
    # --- probes
    Entry(
        name="linear_probe", question="What can a linear readout decode?", home="diagnostics.probes.linear",
        control="chance, raw pixels, the encoder untrained", page="probes", scope="label",
        options=("fit", "control_features"), group="Linear", section=DECODABILITY, gravity=6, overview="linear",
        many_classes=True,
    ),
    Entry(
        name="knn_probe", question="Are an image's neighbours of its own kind?", home="diagnostics.probes.knn",
        control="chance, raw pixels, the encoder untrained", page="probes", scope="label",
        options=("fit", "control_features"), group="Neighbours", section=DECODABILITY, many_classes=True, overview="kNN",
    ),
    # --- bias
    Entry(
        name="reliance", question="Is an attribute used?", home="diagnostics.bias.reliance",
        control="oracles of label and attribute, raw pixels, colours alone, three encoders untrained", page="bias",
        scope="columns", options=("fit", "control_features", "expected_pairs"), group="Is it used?", section=RELIANCE,
        gravity=2, varying=True,
    ),
    Entry(
        name="counterfactual_effect", question="What moves a picture's features?",
        home="diagnostics.bias.counterfactual_effect",
        control="the other factors changed alone, raw pixels, the encoder untrained", page="bias", scope="attribute",
        inputs=("changed",), options=("changed_controls",), group="Is it used?", section=RELIANCE, gravity=3,
    ),
    Entry(
        name="groups", question="Who is served worse?", home="diagnostics.bias.groups",
        control="the attribute shuffled, raw pixels, colours alone, three encoders untrained", page="bias", scope="columns",
        options=("fit", "control_features"), group="Who is served worse?", section=GROUPS, gravity=1,
        varying=True,
    ),
    Entry(
        name="mlp_probe", question="What can a small network decode?", home="diagnostics.probes.mlp",
        control="chance, raw pixels, colours alone, three encoders untrained", page="bias", scope="attribute",
        options=("fit", "control_features"), group="Is it there?", section=DECODABILITY, gravity=7,
    ),
    Entry(
        name="selectivity", question="Is it in the features, or learnt by heart?", home="diagnostics.probes.selectivity",
        control="labels that mean nothing; the same for pixels, colours, untrained", page="bias", scope="attribute",
        options=("fit", "control_features"), group="Is it there?", section=DECODABILITY,
    ),
    Entry(
        name="description_length", question="How many bits does it take to say an attribute?",
        home="diagnostics.probes.description_length",
        control="the labels shuffled, raw pixels, colours alone, three encoders untrained", page="bias", scope="attribute",
        options=("control_features",), group="Is it there?", section=DECODABILITY,
    ),
    Entry(
        name="cooccurrence", question="Is it the data?", home="diagnostics.bias.cooccurrence", control="one column shuffled",
        page="bias", scope="columns", group="What goes with it?", section=DATA, gravity=8, about_images=True,
    ),
    Entry(
        name="association", question="What does it associate?", home="diagnostics.bias.association",
        control="the labels shuffled, the attribute shuffled", page="bias", scope="columns", options=("fit",),
        group="What goes with it?", section=ASSOCIATION, gravity=4, max_images=MAP_POINTS, least_per_class=4,
    ),
    Entry(
        name="retrieval", question="Do neighbours share an attribute?", home="diagnostics.bias.retrieval",
        control="the attribute shuffled within classes", page="bias", scope="columns", group="What goes with it?",
        section=ASSOCIATION, gravity=5, max_images=MAP_POINTS,
    ),
    Entry(
        name="slices", question="Where does it fail without being told?", home="diagnostics.bias.slices",
        control="random slices with the same predictions", page="bias", scope="label", options=("fit",),
        group="Where does it fail?", section=FAILURES,
    ),
    Entry(
        name="drift", question="How does it bear corruption?", home="diagnostics.robustness.drift",
        control="no corruption, another picture, the encoder untrained", page="bias", scope="label",
        inputs=("features", "corrupted"), options=("fit", "control_features", "corrupted_controls"),
        group="Where does it fail?", section=INVARIANCE, opt_in=True,
    ),
    Entry(
        name="mitigation", question="Would a remedy help?", home="diagnostics.bias.mitigation", control="no remedy, chance",
        page="bias", scope="columns", options=("fit",), group="Would a remedy help?", section=REMEDIES,
    ),
    # --- training
    Entry(
        name="reconstruct", question="What does it make of what it was not shown?", home="explanations.reconstruction",
        control="the mean colour, the nearest pixel or the input, the method untrained",
        page="training", scope="pictures",
    ),
    # --- attention and attribution
    Entry(
        name="attention", question="Where does a transformer look?", home="explanations.attention.attention",
        control="attention that falls on all patches alike, the encoder untrained", page="attention", scope="pictures",
        section=PIXELS,
    ),
    Entry(
        name="attribute", question="Which pixels does it go by?", home="explanations.attribution.attribution",
        control="maps of other images, the picture mirrored", page="attribution", scope="pictures", section=PIXELS,
    ),
    Entry(
        name="faithfulness", question="Is the map true?", home="explanations.faithfulness.faithfulness",
        control="maps that no model made: random, centre, edges, luminance, saturation; the encoder untrained",
        page="attribution", scope="pictures", section=PIXELS,
    ),
    Entry(
        name="explain_pair", question="Why are these two alike?", home="explanations.attribution.pairs",
        control="images that have nothing to do with either, patches in another order", page="attribution", scope="pictures",
    ),
)  # fmt: skip


def diagnostics() -> tuple[Entry, ...]:
    """The entries that are asked of features."""
    return tuple(entry for entry in CATALOG if entry.scope != "pictures")


def explanations() -> tuple[Entry, ...]:
    """The entries that are asked of a checkpoint and of pictures that somebody chose."""
    return tuple(entry for entry in CATALOG if entry.scope == "pictures")


def entries_on(page: str) -> tuple[Entry, ...]:
    """The entries that a page of the app shows, in its order."""
    return tuple(entry for entry in CATALOG if entry.page == page)


def entries_in(section: str) -> tuple[Entry, ...]:
    """The entries that a section of the report shows."""
    return tuple(entry for entry in CATALOG if entry.section == section)


def find_entry(name: str) -> Entry:
    """The entry of this name; ValueError, with the names there are, for another."""
    for entry in CATALOG:
        if entry.name == name:
            return entry
    raise ValueError(f"There is no diagnostic {name!r}; there are: {', '.join(entry.name for entry in CATALOG)}.")


def readme_table() -> str:
    """The README's table of what can be answered, page by page; `python tests/test_docs.py` writes it there."""
    lines = ["| page | question, and who answers it | control beside it |", "|---|---|---|"]
    for page in dict.fromkeys(entry.page for entry in CATALOG):
        for i, entry in enumerate(entries_on(page)):
            title = page.capitalize() if i == 0 else ""
            lines.append(f"| {title} | {entry.question} `{entry.name}` | {entry.control} |")
    return "\n".join(lines)


def draw(results: Any, **options: Any) -> go.Figure:
    """How does this result look?  Takes one result or {checkpoint name: result} and returns its plotly figure.

    `options` are the figure's own keywords.  ValueError for something no figure is made for.

    Example:
        >>> import numpy, sslviz
        >>> features = sslviz.Features.from_array(numpy.random.default_rng(0).normal(size=(100, 8)))
        >>> figure = sslviz.draw({"noise": sslviz.spectrum(features)})
    """
    first = next(iter(results.values()), None) if isinstance(results, Mapping) else results
    return _figure_of(type(first))(results, **options)


def _with_caution(figure: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    """The figure, which says before its caption where the results beside each other are of different images."""

    @wraps(figure)
    def drawn(results: Any, **options: Any) -> go.Figure:
        fig = figure(results, **options)
        if isinstance(results, Mapping) and (said := caution(results)):
            fig.layout.meta = {**fig.layout.meta, "caption": f"{said} {fig.layout.meta['caption']}"}
        return fig

    return drawn


def _figure_of(kind: type) -> Callable[..., go.Figure]:
    """The figure of results of this class: `SomeResult` of diagnostics/room is drawn by figures/room/some_result.py."""
    for cls in kind.__mro__:
        package, _, rest = cls.__module__.removeprefix("sslviz.").partition(".")
        if not cls.__module__.startswith("sslviz.") or package not in ("diagnostics", "explanations", "transfer"):
            continue
        room = rest.partition(".")[0] if package == "diagnostics" else package
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        try:
            return _with_caution(getattr(import_module(f"sslviz.figures.{room}.{name}"), name))
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("sslviz.figures"):
                raise
    raise ValueError(f"There is no figure for a {kind.__name__}; pass a result, or a dict of results by name.")
