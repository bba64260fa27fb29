"""sslviz: look inside self-supervised vision encoders; no picture without its control.

A checkpoint turns images into features; a diagnostic turns features into a result; a figure shows a result, always
beside the control that says whether to believe it."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# Where each public name lives.  Loaded on first use (PEP 562), so that `import sslviz` costs nothing.  The diagnostics
# are not listed: those of the catalog are public by being there.
_HOME = {
    "Images": "images", "digits": "images", "folder": "images", "named": "images",
    "shapes": "worlds", "tagged_shapes": "worlds", "textured": "worlds", "randbit": "worlds",
    "counterfactual": "worlds", "load_images": "specs",
    "ViewPolicy": "views", "Encoder": "encoders", "create_encoder": "encoders", "METHODS": "methods",
    "pretrain": "pretrain", "import_checkpoint": "foreign",
    "Run": "runs", "Checkpoint": "runs", "open_runs": "runs",
    "Features": "features", "embed": "embed", "raw_pixels": "embed",
    "Score": "scores",
    "embed_layers": "embed", "embed_views": "embed", "embed_altered": "embed", "corrupted": "corruptions",
    "neighbors": "diagnostics.neighbors", "compare": "diagnostics.compare",
    "aligned_projections": "diagnostics.projection", "displacement": "diagnostics.displacement",
    "attention": "maps.attention", "capture_attention": "maps.capture", "attribute": "maps.attribution",
    "faithfulness": "maps.faithfulness", "explain_pair": "maps.pairs", "cascade": "maps.cascade",
    "tag_contrast": "maps.tags", "color_encoder": "maps.color_encoder",
    "CATALOG": "catalog", "draw": "catalog", "diagnose": "diagnose", "demo": "demo", "audit": "audit",
}  # fmt: skip

__version__ = "0.1.0"


def _diagnostics() -> dict[str, Any]:
    from sslviz.catalog import CATALOG

    return {one.name: one.compute for one in CATALOG}


class _Package(ModuleType):
    """Loads public names when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            value: Any = sorted([*_HOME, *_diagnostics()])
        elif name in _HOME:
            value = getattr(import_module(f"sslviz.{_HOME[name]}"), name)
        elif name.startswith("_") or name not in _diagnostics():
            raise AttributeError(f"module 'sslviz' has no attribute {name!r}")
        else:
            value = _diagnostics()[name]
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the module sslviz.embed sets sslviz.embed; the public name means the function in it.
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return self.__all__


sys.modules[__name__].__class__ = _Package
