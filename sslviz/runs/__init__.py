"""The run folder: checkpoints, history, features and results on disk."""

from sslviz.runs.checkpoint import Checkpoint
from sslviz.runs.folder_of_runs import largest_image_size, open_runs, run_folders
from sslviz.runs.results import load_result, save_result
from sslviz.runs.run import Run
from sslviz.runs.studies import argument_table, color_groups, flat_arguments, seed_groups, studies

__all__ = [
    "Checkpoint",
    "Run",
    "argument_table",
    "color_groups",
    "flat_arguments",
    "largest_image_size",
    "load_result",
    "open_runs",
    "run_folders",
    "save_result",
    "seed_groups",
    "studies",
]
