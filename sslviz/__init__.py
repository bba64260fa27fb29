"""sslviz: look inside self-supervised vision encoders; no picture without its control.

A checkpoint turns images into features; a diagnostic turns features into a result; a figure shows a result, always
beside the control that says whether to believe it."""

from importlib import import_module
from typing import Any

# Where each public name lives.  Loaded on first use (PEP 562), so that `import sslviz` costs nothing.  What the catalog
# lists is public by being there.
_HOME = {
    "Images": "data", "digits": "data", "folder": "data", "named": "data", "load_images": "data",
    "shapes": "data", "tagged_shapes": "data", "textured": "data", "scenes": "data", "randbit": "data",
    "counterfactual": "data", "restyled": "data", "corrupted": "data.corruptions", "duplicates": "data.duplicates",
    "ViewPolicy": "views", "Encoder": "encoders", "create_encoder": "encoders", "METHODS": "methods",
    "pretrain": "training.pretrain", "import_checkpoint": "runs.import_checkpoint",
    "Run": "runs", "Checkpoint": "runs", "open_runs": "runs",
    "Features": "features", "embed": "features.embed", "raw_pixels": "features.pixel_controls",
    "patch_tokens": "transfer.dense.patch_tokens",
    "correspondence_of": "transfer.dense.correspondence",
    "embed_layers": "features.embed", "embed_views": "features.embed_views", "embed_altered": "features.embed_views",
    "Score": "statistics",
    "neighbors": "diagnostics.neighbors.neighbors", "compare": "diagnostics.similarity.compare",
    "aligned_projections": "diagnostics.projection.projection",
    "displacement": "diagnostics.projection.displacement",
    "capture_attention": "explanations.attention.capture", "cascade": "explanations.faithfulness.randomization",
    "tag_contrast": "explanations.faithfulness.tag_contrast",
    "color_encoder": "explanations.attribution.color_encoder",
    "novelty_of": "transfer.novelty",
    "flips_between": "transfer.flips_between",
    "CATALOG": "catalog", "draw": "catalog", "diagnose": "evaluation.diagnose", "demo": "evaluation.demo",
    "worth": "evaluation.worth",
    "distil": "transfer.distil", "export_onnx": "transfer.export",
    "study": "evaluation.study.study", "inspect_images": "evaluation.inspection", "audit": "reports.audit.audit",
    "explore_map": "widgets.map_explorer", "play_views": "widgets.view_player",
    "browse_attention": "widgets.attention_browser", "turn_factor": "widgets.factor_turner",
    "scrub_training": "widgets.training_scrubber",
}  # fmt: skip  # a table: names of one room stand on one line

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "__all__":
        value: Any = sorted([*_HOME, *_entries()])
    elif name in _HOME:
        value = getattr(import_module(f"sslviz.{_HOME[name]}"), name)
    elif not name.startswith("_") and name in _entries():
        value = _entries()[name].compute
    else:
        raise AttributeError(f"module 'sslviz' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __getattr__("__all__")


def _entries() -> dict[str, Any]:
    """{name: entry} of the catalog, whose functions are public."""
    from sslviz.catalog import CATALOG

    return {entry.name: entry for entry in CATALOG}
