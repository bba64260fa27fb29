"""The entries: one literal tuple, page by page."""

from __future__ import annotations

from sslviz.catalog.entry import Entry

MAP_POINTS = 10_000  # a UMAP of more takes minutes on two cores
SECTIONS = (  # of the report, in the order of a model card (arXiv 1810.03993)
    "Health",
    "Geometry",
    "Decodability: what is in the features",
    "Worth: what it gives downstream",
    "Reliance: what is used",
    "Groups: who is served worse",
    "Association",
    "Data: what the images hold themselves",
    "Invariance: what it is blind to",
    "Failures nobody named",
    "Mitigation preview",
    "Attention and attribution",
)
HEALTH, GEOMETRY, DECODABILITY, WORTH, RELIANCE, GROUPS, ASSOCIATION, DATA, INVARIANCE, FAILURES, REMEDIES, PIXELS = (
    SECTIONS
)

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
        options=("fit", "control_features", "group"), group="Linear", section=DECODABILITY, gravity=6, overview="linear",
        many_classes=True,
    ),
    Entry(
        name="knn_probe", question="Are an image's neighbours of its own kind?", home="diagnostics.probes.knn",
        control="chance, raw pixels, the encoder untrained", page="probes", scope="label",
        options=("fit", "control_features", "group"), group="Neighbours", section=DECODABILITY, many_classes=True,
        overview="kNN",
    ),
    # --- bias
    Entry(
        name="reliance", question="Is an attribute used?", home="diagnostics.bias.reliance",
        control="oracles of label and attribute, raw pixels, colours alone, three encoders untrained", page="bias",
        scope="columns", options=("fit", "control_features", "expected_pairs", "group"), group="Is it used?", section=RELIANCE,
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
        options=("fit", "control_features", "group"), group="Who is served worse?", section=GROUPS, gravity=1,
        varying=True,
    ),
    Entry(
        name="mlp_probe", question="What can a small network decode?", home="diagnostics.probes.mlp",
        control="chance, raw pixels, colours alone, three encoders untrained", page="bias", scope="attribute",
        options=("fit", "control_features", "group"), group="Is it there?", section=DECODABILITY, gravity=7,
    ),
    Entry(
        name="selectivity", question="Is it in the features, or learnt by heart?", home="diagnostics.probes.selectivity",
        control="labels that mean nothing; the same for pixels, colours, untrained", page="bias", scope="attribute",
        options=("fit", "control_features", "group"), group="Is it there?", section=DECODABILITY,
    ),
    Entry(
        name="description_length", question="How many bits does it take to say an attribute?",
        home="diagnostics.probes.description_length",
        control="the labels shuffled, raw pixels, colours alone, three encoders untrained", page="bias", scope="attribute",
        options=("control_features", "group"), group="Is it there?", section=DECODABILITY,
    ),
    Entry(
        name="cooccurrence", question="Is it the data?", home="diagnostics.bias.cooccurrence", control="one column shuffled",
        page="bias", scope="columns", options=("group",), group="What goes with it?", section=DATA, gravity=8,
        about_images=True,
    ),
    Entry(
        name="association", question="What does it associate?", home="diagnostics.bias.association",
        control="the labels shuffled, the attribute shuffled", page="bias", scope="columns", options=("fit", "group"),
        group="What goes with it?", section=ASSOCIATION, gravity=4, max_images=MAP_POINTS, least_per_class=4,
    ),
    Entry(
        name="retrieval", question="Do neighbours share an attribute?", home="diagnostics.bias.retrieval",
        control="the attribute shuffled within classes", page="bias", scope="columns", options=("group",),
        group="What goes with it?", section=ASSOCIATION, gravity=5, max_images=MAP_POINTS,
    ),
    Entry(
        name="slices", question="Where does it fail without being told?", home="diagnostics.bias.slices",
        control="random slices with the same predictions", page="bias", scope="label", options=("fit", "group"),
        group="Where does it fail?", section=FAILURES,
    ),
    Entry(
        name="drift", question="How does it bear corruption?", home="diagnostics.robustness.drift",
        control="no corruption, another picture, the encoder untrained", page="bias", scope="label",
        inputs=("features", "corrupted"), options=("fit", "control_features", "corrupted_controls", "group"),
        group="Where does it fail?", section=INVARIANCE, opt_in=True,
    ),
    Entry(
        name="mitigation", question="Would a remedy help?", home="diagnostics.bias.mitigation", control="no remedy, chance",
        page="bias", scope="columns", options=("fit", "group"), group="Would a remedy help?", section=REMEDIES,
    ),
    # --- worth
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
