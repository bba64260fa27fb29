"""HTML pages that open from disk and need no network."""
