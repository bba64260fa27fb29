"""Dense tasks: what the grid of frozen features says of where things are."""
