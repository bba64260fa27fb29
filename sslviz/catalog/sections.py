"""The sections of a report, in their order."""

from __future__ import annotations

SECTIONS = (  # of the report, in the order of a model card (arXiv 1810.03993)
    "Health",
    "Geometry",
    "Decodability: what is in the features",
    "Worth: what it gives downstream",
    "Reliance: what is used",
    "Groups: who is served worse",
    "Association",
    "Data: what the images hold themselves",
    "Invariance: what it is blind to",
    "Failures nobody named",
    "Mitigation preview",
    "Attention and attribution",
)
HEALTH, GEOMETRY, DECODABILITY, WORTH, RELIANCE, GROUPS, ASSOCIATION, DATA, INVARIANCE, FAILURES, REMEDIES, PIXELS = (
    SECTIONS
)
