"""Maps in two dimensions."""
