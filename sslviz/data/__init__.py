"""Images: worlds that are drawn, folders and datasets that are read."""

from sslviz.data.images import Images
from sslviz.data.sources.digits import digits
from sslviz.data.sources.folder import folder
from sslviz.data.sources.spec import load_images
from sslviz.data.sources.timm_datasets import named
from sslviz.data.worlds import counterfactual, randbit, restyled, scenes, shapes, tagged_shapes, textured

__all__ = [
    "Images",
    "counterfactual",
    "digits",
    "folder",
    "load_images",
    "named",
    "randbit",
    "restyled",
    "scenes",
    "shapes",
    "tagged_shapes",
    "textured",
]
