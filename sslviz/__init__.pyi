"""The public names, for editors and type checkers; `python tests/test_docs.py` writes this file."""

from sslviz.catalog import CATALOG, draw
from sslviz.data import (
    Images,
    counterfactual,
    digits,
    folder,
    load_images,
    named,
    randbit,
    restyled,
    scenes,
    shapes,
    tagged_shapes,
    textured,
)
from sslviz.data.corruptions import corrupted
from sslviz.data.duplicates import duplicates
from sslviz.diagnostics.bias.association import association
from sslviz.diagnostics.bias.cooccurrence import cooccurrence
from sslviz.diagnostics.bias.counterfactual_effect import counterfactual_effect
from sslviz.diagnostics.bias.groups import groups
from sslviz.diagnostics.bias.mitigation import mitigation
from sslviz.diagnostics.bias.reliance import reliance
from sslviz.diagnostics.bias.retrieval import retrieval
from sslviz.diagnostics.bias.slices import slices
from sslviz.diagnostics.geometry.alignment import alignment
from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.diagnostics.geometry.hubness import hubness
from sslviz.diagnostics.geometry.intrinsic_dimension import intrinsic_dimension
from sslviz.diagnostics.geometry.lidar import lidar
from sslviz.diagnostics.geometry.neural_collapse import neural_collapse
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.geometry.uniformity import uniformity
from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.probes.description_length import description_length
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.probes.mlp import mlp_probe
from sslviz.diagnostics.probes.selectivity import selectivity
from sslviz.diagnostics.projection.displacement import displacement
from sslviz.diagnostics.projection.projection import aligned_projections, projection
from sslviz.diagnostics.robustness.drift import drift
from sslviz.diagnostics.robustness.invariance import invariance
from sslviz.diagnostics.similarity.changed import changed
from sslviz.diagnostics.similarity.compare import compare
from sslviz.diagnostics.similarity.similarity import similarity
from sslviz.encoders import Encoder, create_encoder
from sslviz.evaluation.demo import demo
from sslviz.evaluation.diagnose import diagnose
from sslviz.evaluation.inspection import inspect_images
from sslviz.evaluation.study.study import study
from sslviz.evaluation.worth import worth
from sslviz.explanations.attention.attention import attention
from sslviz.explanations.attention.capture import capture_attention
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.attribution.color_encoder import color_encoder
from sslviz.explanations.attribution.pairs import explain_pair
from sslviz.explanations.faithfulness.faithfulness import faithfulness
from sslviz.explanations.faithfulness.randomization import cascade
from sslviz.explanations.faithfulness.tag_contrast import tag_contrast
from sslviz.explanations.reconstruction import reconstruct
from sslviz.features import Features
from sslviz.features.embed import embed, embed_layers
from sslviz.features.embed_views import embed_altered, embed_views
from sslviz.features.pixel_controls import raw_pixels
from sslviz.methods import METHODS
from sslviz.reports.audit.audit import audit
from sslviz.runs import Checkpoint, Run, open_runs
from sslviz.runs.import_checkpoint import import_checkpoint
from sslviz.statistics import Score
from sslviz.training.pretrain import pretrain
from sslviz.transfer.adaptation import adaptation
from sslviz.transfer.calibration import calibration
from sslviz.transfer.continual.continual import continual
from sslviz.transfer.continued_pretraining import continued_pretraining
from sslviz.transfer.cost import cost
from sslviz.transfer.dense.correspondence import correspondence, correspondence_of
from sslviz.transfer.dense.detection import detection
from sslviz.transfer.dense.discovery import discovery
from sslviz.transfer.dense.patch_tokens import patch_tokens
from sslviz.transfer.dense.segmentation import segmentation
from sslviz.transfer.distil import distil
from sslviz.transfer.domains import domains
from sslviz.transfer.export import export_onnx
from sslviz.transfer.fine_tune import fine_tune
from sslviz.transfer.flips import flips
from sslviz.transfer.flips_between import flips_between
from sslviz.transfer.label_choice import label_choice
from sslviz.transfer.low_label import low_label
from sslviz.transfer.noise_tolerance import noise_tolerance
from sslviz.transfer.novelty import novelty, novelty_of
from sslviz.transfer.ranking import ranking
from sslviz.transfer.shift import shift
from sslviz.views import ViewPolicy
from sslviz.widgets.attention_browser import browse_attention
from sslviz.widgets.factor_turner import turn_factor
from sslviz.widgets.map_explorer import explore_map
from sslviz.widgets.training_scrubber import scrub_training
from sslviz.widgets.view_player import play_views

__version__: str
__all__ = [
    "CATALOG",
    "Checkpoint",
    "Encoder",
    "Features",
    "Images",
    "METHODS",
    "Run",
    "Score",
    "ViewPolicy",
    "adaptation",
    "aligned_projections",
    "alignment",
    "association",
    "attention",
    "attribute",
    "audit",
    "browse_attention",
    "calibration",
    "capture_attention",
    "cascade",
    "changed",
    "collapse",
    "color_encoder",
    "compare",
    "continual",
    "continued_pretraining",
    "cooccurrence",
    "correspondence",
    "correspondence_of",
    "corrupted",
    "cost",
    "counterfactual",
    "counterfactual_effect",
    "create_encoder",
    "demo",
    "description_length",
    "detection",
    "diagnose",
    "digits",
    "discovery",
    "displacement",
    "distil",
    "domains",
    "draw",
    "drift",
    "duplicates",
    "embed",
    "embed_altered",
    "embed_layers",
    "embed_views",
    "explain_pair",
    "explore_map",
    "export_onnx",
    "faithfulness",
    "fine_tune",
    "flips",
    "flips_between",
    "folder",
    "groups",
    "hubness",
    "import_checkpoint",
    "inspect_images",
    "intrinsic_dimension",
    "invariance",
    "knn_probe",
    "label_choice",
    "lidar",
    "linear_probe",
    "load_images",
    "low_label",
    "mitigation",
    "mlp_probe",
    "named",
    "neighbors",
    "neural_collapse",
    "noise_tolerance",
    "novelty",
    "novelty_of",
    "open_runs",
    "patch_tokens",
    "play_views",
    "pretrain",
    "projection",
    "randbit",
    "ranking",
    "raw_pixels",
    "reconstruct",
    "reliance",
    "restyled",
    "retrieval",
    "scenes",
    "scrub_training",
    "segmentation",
    "selectivity",
    "shapes",
    "shift",
    "similarity",
    "slices",
    "spectrum",
    "study",
    "tag_contrast",
    "tagged_shapes",
    "textured",
    "turn_factor",
    "uniformity",
    "worth",
]
