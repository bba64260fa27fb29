"""Where a transformer attends."""
