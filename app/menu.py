"""The menu: every page by its name in menu and URL, with the question that is its title and what hovering says."""

# No icons: with them not all names fit beside each other on a laptop.
PAGES = {
    "overview": ("How do they compare?", "What is to be said of each run, and its scores."),
    "training": ("How did it train?", "The loss, beside what the features were worth meanwhile."),
    "collapse": ("Has it collapsed?", "How many directions the features use, beside noise."),
    "geometry": (
        "What shape is the space?",
        "How tight, how even, how wide: numbers of the geometry, each beside its control.",
    ),
    "map": ("What is near what?", "Maps side by side; draw around points to see the images."),
    "similarity": ("What changed?", "How alike the checkpoints and layers are, and which images moved."),
    "probes": ("What can be decoded?", "What readouts tell of each label, beside their controls."),
    "worth": (
        "What is it worth?",
        "What it gives with few labels, on new categories, in another domain, and what it costs to run.",
    ),
    "bias": (
        "What did it pick up by accident?",
        "Whether an attribute is there, whether it is used, and who is served worse, beside oracles and controls.",
    ),
    "attention": (
        "Where does it look?",
        "Attention of transformers, and where the grids of the others answer, over the pictures.",
    ),
    "attribution": (
        "Why are these near each other?",
        "Which pixels it goes back to, beside what shows whether to believe it.",
    ),
    "audit": (
        "May it be relied on?",
        "All of it about the columns of the table, as a report to sign: what was found, what was not, and what was skipped.",
    ),
}
