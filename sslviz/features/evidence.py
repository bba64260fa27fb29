"""What encoders are shown, and what is known of a checkpoint from it.

`STIMULI` is the one table of what an encoder is shown: the images, several views of some, single alterations, pictures
with one factor changed, corruptions, layers.  `stored.gather` shows them to a checkpoint and its controls and keeps
the features in the run folder; `Evidence` is what was kept, in the order of the table.  A new stimulus is a new row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np

from sslviz.data import Images
from sslviz.features.complete_rows import kept
from sslviz.features.features import Features

TRAINED = "trained"
UNTRAINED = "untrained"
PIXELS = "pixels"
HISTOGRAM = "color histogram"
# Of re-initialised encoders beside the one with seed 0.  They say how much its reading owes to its seed, and see all
# images, since a sample tells less than it is to measure.  Of a resnet10t at 32 px, a probe of 1,000 shapes fitted on
# 1,000 reads 0.022 less than one of 2,000 and 2,000, which flatters the checkpoint.  Two seeds on the same sample differ
# by 0.010 (rms) more or less than on all images, and seeds by no more than that on all of them (0.009, their deviation).
# Of 500 and 500 it reads 0.13 less than of 2,000 and 2,000 (other shapes, six seeds), by a difference that varies more
# (0.018) than seeds do (0.012).
SEEDS = {f"{UNTRAINED} (seed {seed})": seed for seed in (1, 2)}
PLAIN = (TRAINED, PIXELS, UNTRAINED)
FURTHER = (HISTOGRAM, *SEEDS)  # colours alone and more re-initialised encoders, where an attribute is asked about


@dataclass(frozen=True)
class Stimulus:
    """One thing that encoders are shown.

    - name: under which `Evidence` holds it and the catalog asks for it
    - shown: always, only where a diagnostic asks for it, or only where an attribute is asked about
    - encoders: who sees it; names of this file
    - embed: the function (checkpoints, images) -> Features of each, as "module:function" below sslviz, or of the layers
      (checkpoint, images) -> {layer: Features}; empty: the pooled features.  All encoders see one drawing or reading of the
      pictures.  Pixels and histograms have functions of their own
    - project: the function (checkpoint, features of the images) -> Features, of what needs no pass of its own; empty: `embed`
    - pictures: the function images -> Images that draws what is shown; empty: the images themselves, or a sample
    - drawing: the function images -> seconds, about how long drawing takes for each of them, as "module:function"; empty:
      nothing to speak of
    - further: encoders that see it too where an attribute is asked about
    - max_images: of how many images, the same ones for every encoder; None: of all
    - each: how many pictures are shown of each image, or the function images -> number as "module:function"
    - round_size: how many of the images are shown at a time; None: all at once
    - enough: the function that is asked after a round whether what is read is told narrowly enough, as
      "module:function".  It takes features of the images, of those fitted on or None, and of the pictures so far
    - layer: under which name the features lie in the run folder
    - words: what it is called in a sentence
    - missing: what a diagnostic says that asks for it where it is not there
    """

    name: str
    shown: Literal["always", "on request", "with an attribute"]
    encoders: tuple[str, ...]
    embed: str = ""
    project: str = ""
    pictures: str = ""
    drawing: str = ""
    further: tuple[str, ...] = ()
    max_images: int | None = None
    each: int | str = 1
    round_size: int | None = None
    enough: str = ""
    layer: str = "pooled"
    words: str = ""
    missing: str = ""

    def rounds(self, n: int) -> int:
        """In how many rounds pictures of n images are shown."""
        shown = min(n, self.max_images or n)
        return -(-shown // self.round_size) if self.round_size else 1


AGAIN = "diagnose it again, with all diagnostics or with this one."
STIMULI = (
    # Enough images for a similarity of layers, few enough to keep all layers of.  First, for its last layer is what is
    # asked of the images, so that these need no pass of their own where there are no more of them.
    Stimulus(
        "layers", "on request", (TRAINED,), "features.embed:embed_layers", max_images=2000, layer="layers", words="layers",
    ),
    Stimulus("images", "always", PLAIN, further=FURTHER, words="images"),
    Stimulus("fit", "always", PLAIN, further=FURTHER, words="images fitted on"),
    Stimulus(  # images of another domain, which somebody names
        "target", "on request", PLAIN, words="images of another domain",
        missing="No images of another domain were named: give some with the same labels as target (--target).",
    ),
    Stimulus("projector", "always", (TRAINED,), project="features.projector:project", layer="projector"),
    Stimulus(
        "views", "on request", (TRAINED,), "features.embed_views:embed_views_many", max_images=200, each=10,
        layer="views", words="views", missing=f"Its views were not embedded; {AGAIN}",
    ),
    Stimulus(
        "altered", "on request", (TRAINED, UNTRAINED), "features.embed_views:embed_altered_many", max_images=100,
        each=9, layer="altered", words="altered pictures", missing=f"Its altered pictures were not embedded; {AGAIN}",
    ),
    Stimulus(
        "changed", "with an attribute", (), pictures="features.pictures:changed_images", further=PLAIN, max_images=200,
        each="features.pictures:count_factors", words="pictures with one factor changed",
        missing="One factor alone can only be changed in images that a world here drew, diagnosed with an attribute named.",
    ),
    Stimulus(
        "corrupted", "on request", (TRAINED, UNTRAINED), pictures="features.pictures:corrupted_images",
        drawing="features.pictures:corruption_seconds", max_images=100, each="features.pictures:count_corruptions",
        round_size=50,
        enough="diagnostics.robustness.enough:enough_corrupted", layer="corrupted",
        words="corrupted pictures",  # one look, after 50: after 25 the intervals were too narrow, and each look costs more
        missing="No corrupted pictures were embedded; diagnose it again, naming drift.",
    ),
)  # fmt: skip  # a table: two or three lines a stimulus, where the formatter would take ten


def find_function(home: str) -> Callable[..., Any]:
    """The function that a row names as "module:function" below sslviz; its module is loaded when it is asked for."""
    module, _, name = home.partition(":")
    return getattr(import_module(f"sslviz.{module}"), name)


def asked_stimuli(
    images: Images, fit: Images | None, target: Images | None, requested: Collection[str], attributes: bool
) -> Iterator[tuple[Stimulus, Images, tuple[str, ...]]]:
    """(stimulus, the images it is made of, the encoders that see it) of all that is to be shown.

    - requested: names of the stimuli that are shown on request
    - attributes: whether an attribute is asked about
    """
    given = {"fit": fit, "target": target}  # all others are made from the images
    for stimulus in STIMULI:
        pictures = given[stimulus.name] if stimulus.name in given else images
        asked = stimulus.shown != "on request" or stimulus.name in requested
        encoders = (*stimulus.encoders, *(stimulus.further if attributes else ()))
        if pictures is not None and asked and encoders:
            yield stimulus, pictures, encoders


def find_stimulus(name: str) -> Stimulus:
    """The row of this name; the two views of `alignment` and the controls of a stimulus belong to its row."""
    name = {"features": "images", "control_features": "images", "view": "views", "other_view": "views"}.get(name, name)
    return next(stimulus for stimulus in STIMULI if stimulus.name == name.removesuffix("_controls"))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What do the diagnostics of a checkpoint look at?

    - shown: {stimulus: {encoder: Features}}; what was not embedded is not in it.  "fit" is missing where probes are
      fitted on a stratified half of the images, "target" where no images of another domain were named.
    - expected_pairs: {"label~attribute": {class: value}}, what the classes were said to go with elsewhere
    """

    shown: Mapping[str, Mapping[str, Features]]
    expected_pairs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, stimulus: str, encoder: str = TRAINED) -> Features | None:
        """What this encoder makes of this stimulus; None where it was not embedded."""
        return self.shown.get(stimulus, {}).get(encoder)

    @property
    def features(self) -> Features:
        """Those of the images, by the checkpoint itself."""
        return self.shown["images"][TRAINED]

    @property
    def group(self) -> str:
        """The column whose images belong together, empty where each stands for itself."""
        return self.features.group

    def grouped_by(self, column: str) -> Evidence:
        """The same evidence, images that share a value of this column kept together; none where it is empty."""
        if column == self.group:
            return self
        shown = {
            name: {encoder: x.grouped_by(column) for encoder, x in seen.items()} if name in ("images", "fit") else seen
            for name, seen in self.shown.items()
        }
        return replace(self, shown=shown)

    @property
    def fit(self) -> Features | None:
        """Those that probes are fitted on."""
        return self.of("fit")

    @property
    def further(self) -> list[str]:
        """The further controls that were embedded, which stand beside answers about an attribute."""
        return [name for name in FURTHER if name in self.shown["images"]]

    def control_features(self, *, further: bool = False) -> dict[str, tuple[Features, Features | None]]:
        """{control: (features, those to fit on)} of raw pixels and of the encoder untrained, or of all controls."""
        names = [PIXELS, UNTRAINED, *(self.further if further else [])]
        return {
            name: (self.shown["images"][name], self.of("fit", name)) for name in names if name in self.shown["images"]
        }

    def given(self, name: str, *, further: bool = False) -> Any:
        """What a diagnostic is given that asks for this: a stimulus, one of two views, or what controls make of it."""
        if name == "control_features":
            return self.control_features(further=further)
        if name in ("view", "other_view"):
            return self._view(0 if name == "view" else 1)
        stimulus = find_stimulus(name).name
        if name.endswith("_controls"):
            return {encoder: x for encoder, x in self.shown.get(stimulus, {}).items() if encoder != TRAINED}
        return self.of(stimulus)

    def of_images(self, ids: Mapping[str, np.ndarray]) -> Evidence:
        """The same evidence on some of the images, {"images" or "fit": their ids}; of corrupted pictures, on those of them."""
        shown = {name: dict(of_encoders) for name, of_encoders in self.shown.items()}
        for name, keep in ids.items():
            shown[name] = {encoder: kept(x, keep) for encoder, x in self.shown[name].items()}
        if "corrupted" in shown:
            objects = ids["images"]
            shown["corrupted"] = {
                encoder: x.rows(np.isin(x.column("object").astype(str), objects))
                for encoder, x in self.shown["corrupted"].items()
            }
        return replace(self, shown=shown)

    def _view(self, number: int) -> Features | None:
        """The first or second view of each object, called by the object's id."""
        views = self.of("views")
        if views is None:
            return None
        rows = views.rows(views.column("view") == number)
        return Features(rows.x, rows.column("object"), rows.table.drop(columns=["object", "view"]), rows.source)
