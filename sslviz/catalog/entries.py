"""The entries: one literal tuple, page by page."""

from __future__ import annotations

from sslviz.catalog.entry import Entry
from sslviz.catalog.sections import (
    ASSOCIATION,
    DATA,
    DECODABILITY,
    FAILURES,
    GEOMETRY,
    GROUPS,
    HEALTH,
    INVARIANCE,
    PIXELS,
    RELIANCE,
    REMEDIES,
    WORTH,
)

MAP_POINTS = 10_000  # a UMAP of more takes minutes on two cores
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
    Entry(
        name="low_label", question="What is it worth with few labels?", home="transfer.low_label",
        control="chance, raw pixels, the encoder untrained, on the same labels", page="worth", scope="label",
        options=("fit", "control_features", "group"), group="Few labels", section=WORTH, at_once=True,
    ),
    Entry(
        name="fine_tune", question="What does it give when all its weights may move?", home="transfer.fine_tune",
        control="the network from scratch, a linear readout of the frozen and of the untrained encoder, raw pixels, chance",
        page="worth", scope="images", options=("label", "fit", "group"), on_demand=True, group="Few labels",
    ),
    Entry(
        name="label_choice", question="Which images should be labelled first?", home="transfer.label_choice",
        control="images drawn without looking, images chosen by pixels or by the encoder untrained", page="worth",
        scope="label", options=("fit", "control_features", "group"), group="Few labels", least_per_class=4, opt_in=True,
    ),
    Entry(
        name="noise_tolerance", question="How many wrong labels does a readout bear?", home="transfer.noise_tolerance",
        control="chance, true labels only, raw pixels, the encoder untrained", page="worth", scope="label",
        options=("fit", "control_features", "group"), group="Few labels", section=WORTH, least_per_class=4,
    ),
    Entry(
        name="ranking", question="If one image is the question, are those of its class the first answers?",
        home="transfer.ranking", control="a random order, raw pixels, the encoder untrained", page="worth", scope="label",
        options=("control_features", "group"), group="New categories", section=WORTH, many_classes=True, max_images=MAP_POINTS,
    ),
    Entry(
        name="novelty", question="Would it notice a class that it was never shown?", home="transfer.novelty",
        control="one half of the known images against the other, raw pixels, the encoder untrained", page="worth",
        scope="label", options=("fit", "control_features", "group"), group="New categories", section=WORTH, many_classes=True,
    ),
    Entry(
        name="calibration", question="When a head on it says 80 %, is it right in 80 of 100 cases?",
        home="transfer.calibration",
        control="labels drawn from its own probabilities, class shares, raw pixels, the encoder untrained",
        page="worth", scope="label", options=("fit", "control_features", "group"), group="New categories", section=WORTH,
    ),
    Entry(
        name="shift", question="What does a readout lose in another domain?", home="transfer.shift",
        control="halves of the source, a readout fitted on the target, raw pixels, the encoder untrained", page="worth",
        scope="label", inputs=("features", "target"), options=("fit", "control_features", "target_controls", "group"),
        group="Another domain", section=WORTH, many_classes=True, least_per_class=4,
    ),
    Entry(
        name="domains", question="Does a readout hold in a domain that it has never met?", home="transfer.domains",
        control="domains shuffled, chance, raw pixels, colours alone, three encoders untrained", page="worth",
        scope="columns", options=("fit", "control_features", "group"), group="Another domain", section=WORTH, varying=True,
    ),
    Entry(
        name="adaptation", question="Can a readout be carried to another domain without labels there?",
        home="transfer.adaptation", control="no adaptation, raw pixels, the encoder untrained", page="worth",
        scope="label", inputs=("features", "target"), options=("fit", "control_features", "target_controls", "group"),
        group="Another domain", section=WORTH, many_classes=True, least_per_class=4,
    ),
    Entry(
        name="continued_pretraining", question="Does it help to go on pretraining there, without labels?",
        home="transfer.continued_pretraining",
        control="no adaptation, as many steps on the source, from scratch on the target, chance", page="worth",
        scope="images", options=("label", "fit", "target", "group"), on_demand=True, group="Another domain",
    ),
    Entry(
        name="segmentation", question="Does it know where one thing ends and another begins?",
        home="transfer.dense.segmentation",
        control="the largest class, the most frequent one at each place, pixels and place, the encoder untrained",
        page="worth", scope="images", options=("fit", "precision", "group"), on_demand=True, group="Parts of pictures",
    ),
    Entry(
        name="discovery", question="Does an object stand out from its ground without any label?",
        home="transfer.dense.discovery", control="the mean box, the whole picture, a random patch, the encoder untrained",
        page="worth", scope="images", options=("precision",), on_demand=True, group="Parts of pictures",
    ),
    Entry(
        name="detection", question="Can objects be found, named and boxed by its frozen features?",
        home="transfer.dense.detection",
        control="the mean box where a class lies most often, pixels and place, the encoder untrained", page="worth",
        scope="images", options=("fit", "precision", "group"), group="Parts of pictures", on_demand=True,
    ),
    Entry(
        name="correspondence", question="Does it know a part of a picture again after the picture has moved?",
        home="transfer.dense.correspondence",
        control="a random patch, the same place, pixels of a patch, the encoder untrained", page="worth", scope="images",
        options=("precision",), group="Parts of pictures", on_demand=True,
    ),
    Entry(
        name="cost", question="What does it cost to run?", home="transfer.cost",
        control="one linear map from pixels, the same pass without an encoder, fp32, another picture", page="worth",
        scope="images", group="Cost", against_worth=True,
    ),
    Entry(
        name="continual", question="Does it learn one task after another, or forget?",
        home="transfer.continual.continual",
        control="joint training, the encoder frozen, frozen and untrained, plain sequence", page="worth",
        scope="images", options=("label", "fit", "group"), on_demand=True, group="Over time",
    ),
    Entry(
        name="flips", question="Does changing one factor change the decision?", home="transfer.flips",
        control="noise redrawn, another picture, the factor alone, raw pixels, the encoder untrained", page="worth",
        scope="images", options=("label", "fit", "precision", "group"), on_demand=True, group="Over time",
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
)  # fmt: skip  # a table: two or three lines an entry, where the formatter would take ten
