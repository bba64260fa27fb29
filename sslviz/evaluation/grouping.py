"""Grouping of the images that are scored and of those fitted on: what stays on one side of every split."""

from __future__ import annotations

from sslviz.data import Images
from sslviz.data.grouping import check_group


def kept_together(images: Images, fit: Images | None, group: str) -> tuple[Images, Images | None]:
    """The images scored and those fitted on, those that share a value of this column kept together; none where it is empty.

    ValueError where there is no such column, and where all images to fit on belong with images that are scored.
    """
    for side in (images, fit):
        if side is not None:
            check_group(side.table, group)
    images, fit = images.grouped_by(group), None if fit is None else fit.grouped_by(group)
    if group and fit is not None and fit.shares_units_with(images).all():
        raise ValueError(
            f"All {len(fit):,} images to fit on share their {group} with images that are scored, so that nothing is left to "
            "fit on; name other images as fit, or none to use one half of those scored."
        )
    return images, fit


def group_sentence(scored: Images, fit: Images | None) -> str:
    """Which images stay on one side of every split, and how many are not fitted on for that; empty without a group."""
    if not scored.group:
        return ""
    said = (
        f"Images that share their {scored.group} stay on one side of every split and count as one in every interval: "
        f"{len(set(scored.unit_names)):,} groups"
    )
    if shared := 0 if fit is None else int(fit.shares_units_with(scored).sum()):
        said += f"; of those to fit on {shared:,} are left out, as their {scored.group} is scored"
    return f"{said}."
