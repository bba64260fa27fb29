"""The run folder: checkpoints, history, features and results on disk."""

from sslviz.runs.checkpoint import Checkpoint
from sslviz.runs.results import load_result, save_result
from sslviz.runs.run import Run, largest_image_size, open_runs

__all__ = ["Checkpoint", "Run", "largest_image_size", "load_result", "open_runs", "save_result"]
