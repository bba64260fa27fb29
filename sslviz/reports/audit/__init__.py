"""The audit: its plan, tests, findings, page and gate."""
