"""How alike two spaces are."""
