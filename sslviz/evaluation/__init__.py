"""The catalog put to runs, and kept."""
