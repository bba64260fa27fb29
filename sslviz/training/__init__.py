"""The training loop, its batches, devices, evaluation and files."""
