"""What can sslviz answer?  One literal tuple that feeds the app, the command line, the README and the contract tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import plotly.graph_objects as go

from sslviz.diagnostics.bias.association import Association, association
from sslviz.diagnostics.bias.cooccurrence import Cooccurrence, cooccurrence
from sslviz.diagnostics.bias.counterfactual_effect import Counterfactual, counterfactual_effect
from sslviz.diagnostics.bias.groups import Groups, groups
from sslviz.diagnostics.bias.mitigation import Mitigation, mitigation
from sslviz.diagnostics.bias.reliance import Reliance, reliance
from sslviz.diagnostics.bias.retrieval import Retrieval, retrieval
from sslviz.diagnostics.bias.slices import Slices, slices
from sslviz.diagnostics.geometry.alignment import Alignment, alignment
from sslviz.diagnostics.geometry.collapse import Collapse, collapse
from sslviz.diagnostics.geometry.hubness import Hubness, hubness
from sslviz.diagnostics.geometry.intrinsic_dimension import IntrinsicDimension, intrinsic_dimension
from sslviz.diagnostics.geometry.lidar import Lidar, lidar
from sslviz.diagnostics.geometry.neural_collapse import NeuralCollapse, neural_collapse
from sslviz.diagnostics.geometry.spectrum import Spectrum, spectrum
from sslviz.diagnostics.geometry.uniformity import Uniformity, uniformity
from sslviz.diagnostics.probes.description_length import DescriptionLength, description_length
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.probes.mlp import mlp_probe
from sslviz.diagnostics.probes.probe import Probe
from sslviz.diagnostics.probes.selectivity import Selectivity, selectivity
from sslviz.diagnostics.projection.projection import Projection, projection
from sslviz.diagnostics.robustness.drift import Drift, drift
from sslviz.diagnostics.robustness.invariance import Invariance, invariance
from sslviz.diagnostics.similarity.changed import Changed, changed
from sslviz.diagnostics.similarity.compare import Comparison
from sslviz.diagnostics.similarity.similarity import Similarity, similarity
from sslviz.figures.bias.association import association as draw_association
from sslviz.figures.bias.cooccurrence import cooccurrence as draw_cooccurrence
from sslviz.figures.bias.counterfactual_effect import counterfactual as draw_counterfactual
from sslviz.figures.bias.groups import groups as draw_groups
from sslviz.figures.bias.mitigation import mitigation as draw_mitigation
from sslviz.figures.bias.reliance import reliance as draw_reliance
from sslviz.figures.bias.retrieval import retrieval as draw_retrieval
from sslviz.figures.bias.slices import slices as draw_slices
from sslviz.figures.explanations.attention import attention as draw_attention
from sslviz.figures.explanations.attribution import attribution as draw_attribution
from sslviz.figures.explanations.faithfulness import faithfulness as draw_faithfulness
from sslviz.figures.explanations.pair_explanation import pair_explanation as draw_pair_explanation
from sslviz.figures.geometry.alignment import alignment as draw_alignment
from sslviz.figures.geometry.collapse import collapse as draw_collapse
from sslviz.figures.geometry.hubness import hubness as draw_hubness
from sslviz.figures.geometry.intrinsic_dimension import intrinsic_dimension as draw_intrinsic_dimension
from sslviz.figures.geometry.lidar import lidar as draw_lidar
from sslviz.figures.geometry.neural_collapse import neural_collapse as draw_neural_collapse
from sslviz.figures.geometry.spectrum import spectrum as draw_spectrum
from sslviz.figures.geometry.uniformity import uniformity as draw_uniformity
from sslviz.figures.probes.description_length import description_length as draw_description_length
from sslviz.figures.probes.probes import probe as draw_probe
from sslviz.figures.probes.selectivity import selectivity as draw_selectivity
from sslviz.figures.projection.projection import projection as draw_projection
from sslviz.figures.robustness.drift import drift as draw_drift
from sslviz.figures.robustness.invariance import invariance as draw_invariance
from sslviz.figures.similarity.changed import changed as draw_changed
from sslviz.figures.similarity.compare import compare as draw_compare
from sslviz.figures.similarity.similarity import similarity as draw_similarity

Of = str | tuple[str, str] | None  # what a diagnostic is asked of: a column, a label and an attribute, or nothing
MAP_POINTS = 10_000  # a UMAP of more takes minutes on two cores


@dataclass(frozen=True)
class Entry:
    """One diagnostic: the question it answers, how it is computed, the result it gives and the figure that shows it.

    It is asked once `per` checkpoint, or once for each label of the table, or once for each pair of checkpoints; and
    only where an attribute is named, for there are as many pairs of columns as columns squared: once for each such
    attribute, or once for each label beside it ("columns").  `inputs` names what of the `Evidence` it is given, in
    order (then the label, the attribute or both, as it is asked), and `options` what it is given by name.  `control`
    says in a word or two what its numbers stand beside.  `page` is the page of the app that shows it.  Of more than
    `most` images a sample is taken, the same for every checkpoint.
    """

    name: str
    question: str
    compute: Callable[..., Any]
    kind: type
    figure: Callable[..., go.Figure]
    control: str
    page: str
    per: Literal["checkpoint", "label", "pair", "attribute", "columns"] = "checkpoint"
    inputs: tuple[str, ...] = ("features",)
    options: tuple[str, ...] = ()
    most: int | None = None

    @property
    def by_default(self) -> bool:
        """Whether it is asked of a checkpoint alone, no other checkpoint, no attribute and not itself being named."""
        return self.per in ("checkpoint", "label") and not self.by_name

    @property
    def by_name(self) -> bool:
        """Whether it is asked only where it is named: corrupted pictures take a package of their own, and a minute."""
        return "corrupted" in self.inputs

    @property
    def caveat(self) -> str:
        """The sentence shown under every figure: the last paragraph of the diagnostic's docstring."""
        return _caveat(self.compute)


@dataclass(frozen=True)
class MapEntry:
    """One question put to a checkpoint and its pictures, not to features: what answers it, the result, the figure.

    `home` is the module in which `compute` and the class called `kind` live: maps need torch, which is not loaded
    before one is asked for.  `control` and `page` as for a diagnostic.
    """

    name: str
    question: str
    home: str
    kind: str
    figure: Callable[..., go.Figure]
    control: str
    page: str

    @property
    def compute(self) -> Callable[..., Any]:
        """The function of this name."""
        return getattr(import_module(self.home), self.name)

    @property
    def caveat(self) -> str:
        """As that of a diagnostic."""
        return _caveat(self.compute)

    def made(self, result: Any) -> bool:
        """Whether this is what it returns."""
        return any((c.__module__, c.__name__) == (self.home, self.kind) for c in type(result).__mro__)


def _caveat(compute: Callable[..., Any]) -> str:
    return " ".join((compute.__doc__ or "").partition("Caveat:")[2].split())


CATALOG: tuple[Entry, ...] = (
    Entry(
        "collapse", "Has it collapsed, and how?",
        collapse, Collapse, draw_collapse, "noise of the same n and d", "collapse", options=("projector",),
    ),
    Entry(
        "spectrum", "How many directions does it use?",
        spectrum, Spectrum, draw_spectrum, "Gaussian noise of the same n and d", "collapse",
    ),
    Entry(
        "alignment", "How near do two views of one image lie?",
        alignment, Alignment, draw_alignment, "views of different images", "geometry", inputs=("view", "other_view"),
    ),
    Entry(
        "uniformity", "How evenly do the features fill the sphere?",
        uniformity, Uniformity, draw_uniformity, "points spread evenly over the sphere", "geometry",
    ),
    Entry(
        "lidar", "How many directions tell objects apart?",
        lidar, Lidar, draw_lidar, "the same views with objects shuffled", "geometry", inputs=("views",),
    ),
    Entry(
        "intrinsic_dimension", "How many dimensions do the images really fill?",
        intrinsic_dimension, IntrinsicDimension, draw_intrinsic_dimension, "Gaussian noise of the same n and d", "geometry",
    ),
    Entry(
        "hubness", "Do a few images crowd into everyone's neighbourhood?",
        hubness, Hubness, draw_hubness, "Gaussian noise of the same n and d, neighbours by chance", "geometry",
    ),
    Entry(
        "neural_collapse", "How tight are the classes?",
        neural_collapse, NeuralCollapse, draw_neural_collapse, "the labels shuffled", "geometry", per="label",
    ),
    Entry(
        "knn_probe", "Are an image's neighbours of its own kind?",
        knn_probe, Probe, draw_probe, "chance, raw pixels, the encoder untrained", "probes",
        per="label", options=("fit", "controls"),
    ),
    Entry(
        "linear_probe", "What can a linear readout decode?",
        linear_probe, Probe, draw_probe, "chance, raw pixels, the encoder untrained", "probes",
        per="label", options=("fit", "controls"),
    ),
    Entry(
        "mlp_probe", "What can a small network decode?",
        mlp_probe, Probe, draw_probe, "chance, raw pixels, colours alone, three encoders untrained", "bias",
        per="attribute", options=("fit", "controls"),
    ),
    Entry(
        "selectivity", "Is it in the features, or learnt by heart?",
        selectivity, Selectivity, draw_selectivity, "labels that mean nothing; the same for pixels, colours, untrained", "bias",
        per="attribute", options=("fit", "controls"),
    ),
    Entry(
        "description_length", "How many bits does it take to say an attribute?",
        description_length, DescriptionLength, draw_description_length,
        "the labels shuffled, raw pixels, colours alone, three encoders untrained", "bias",
        per="attribute", options=("controls",),
    ),
    Entry(
        "counterfactual_effect", "What moves a picture's features?",
        counterfactual_effect, Counterfactual, draw_counterfactual,
        "the other factors changed alone, raw pixels, the encoder untrained", "bias",
        per="attribute", inputs=("changed",), options=("changed_controls",),
    ),
    Entry(
        "reliance", "Is an attribute used?",
        reliance, Reliance, draw_reliance,
        "oracles of label and attribute, raw pixels, colours alone, three encoders untrained", "bias",
        per="columns", options=("fit", "controls", "partner"),
    ),
    Entry(
        "groups", "Who is served worse?",
        groups, Groups, draw_groups, "the attribute shuffled, raw pixels, colours alone, three encoders untrained", "bias",
        per="columns", options=("fit", "controls"),
    ),
    Entry(
        "projection", "What is near what?",
        projection, Projection, draw_projection,
        "PCA, chance, and the map of noise with the same covariance", "map", most=MAP_POINTS,
    ),
    Entry(
        "similarity", "How alike are two spaces?",
        similarity, Similarity, draw_similarity, "unrelated images (the rows of one space shuffled)", "similarity", per="pair",
    ),
    Entry(
        "changed", "Which images changed?",
        changed, Changed, draw_changed, "what unrelated spaces share", "similarity", per="pair",
    ),
    Entry(
        "invariance", "What is it blind to, and why?",
        invariance, Invariance, draw_invariance, "another picture, the encoder untrained", "geometry",
        inputs=("altered",), options=("changed", "altered_controls", "changed_controls"),
    ),
    Entry(
        "drift", "How does it bear corruption?",
        drift, Drift, draw_drift, "no corruption, another picture, the encoder untrained", "bias", per="label",
        inputs=("features", "corrupted"), options=("fit", "controls", "corrupted_controls"),
    ),
    Entry(
        "slices", "Where does it fail without being told?",
        slices, Slices, draw_slices, "random slices with the same predictions", "bias", per="label", options=("fit",),
    ),
    Entry(
        "cooccurrence", "Is it the data?",
        cooccurrence, Cooccurrence, draw_cooccurrence, "one column shuffled", "bias", per="columns",
    ),
    Entry(
        "association", "What does it associate?",
        association, Association, draw_association, "the labels shuffled, the attribute shuffled", "bias",
        per="columns", options=("fit",), most=MAP_POINTS,
    ),
    Entry(
        "retrieval", "Do neighbours share an attribute?",
        retrieval, Retrieval, draw_retrieval, "the attribute shuffled within classes", "bias",
        per="columns", most=MAP_POINTS,
    ),
    Entry(
        "mitigation", "Would a remedy help?",
        mitigation, Mitigation, draw_mitigation, "no remedy, chance", "bias", per="columns", options=("fit",),
    ),
)  # fmt: skip

MAPS: tuple[MapEntry, ...] = (
    MapEntry(
        "attention", "Where does a transformer look?", "sslviz.explanations.attention.attention", "Attention", draw_attention,
        "attention that falls on all patches alike, the encoder untrained", "attention",
    ),
    MapEntry(
        "attribute", "Which pixels does it go by?", "sslviz.explanations.attribution.attribution", "Attribution",
        draw_attribution,
        "maps of other images, the picture mirrored", "attribution",
    ),
    MapEntry(
        "faithfulness", "Is the map true?", "sslviz.explanations.faithfulness.faithfulness", "Faithfulness", draw_faithfulness,
        "maps that no model made: random, centre, edges, luminance, saturation; the encoder untrained", "attribution",
    ),
    MapEntry(
        "explain_pair", "Why are these two alike?", "sslviz.explanations.attribution.pairs", "PairExplanation",
        draw_pair_explanation, "images that have nothing to do with either, patches in another order", "attribution",
    ),
)  # fmt: skip


def entry(name: str) -> Entry:
    """The catalog's entry of this name; ValueError, with the names there are, for another."""
    for one in CATALOG:
        if one.name == name:
            return one
    raise ValueError(f"There is no diagnostic {name!r}; there are: {', '.join(e.name for e in CATALOG)}.")


def readme_table() -> str:
    """The README's table of what can be answered; `python tests/test_docs.py` writes it there."""
    every: tuple[Entry | MapEntry, ...] = (*CATALOG, *MAPS)
    rows = [f"| {one.question} | `{one.name}` | {one.control} |" for one in every]
    return "\n".join(["| question | name | control beside it |", "|---|---|---|", *rows])


def draw(results: Any, **options: Any) -> go.Figure:
    """How does this result look?  Takes one result or {checkpoint name: result} and returns its plotly figure.

    `options` are the figure's own keywords.  ValueError for something no figure is made for.
    """
    first = next(iter(results.values()), None) if isinstance(results, Mapping) else results
    if isinstance(first, Comparison):
        return draw_compare(results, **options)
    for one in CATALOG:
        if isinstance(first, one.kind):
            return one.figure(results, **options)
    for of_maps in MAPS:
        if of_maps.made(first):
            return of_maps.figure(results, **options)
    raise ValueError(f"There is no figure for a {type(first).__name__}; pass a result, or a dict of results by name.")
