"""Where pictures come from: folders, datasets, text specs."""
