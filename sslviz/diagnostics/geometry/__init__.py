"""What shape the space of features has."""
