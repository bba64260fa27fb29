"""The run folder: checkpoints, history, features and results on disk."""

from sslviz.runs.run import Checkpoint, Run, load_result, open_runs, save_result

__all__ = ["Checkpoint", "Run", "load_result", "open_runs", "save_result"]
