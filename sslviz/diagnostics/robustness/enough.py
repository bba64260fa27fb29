"""How many corrupted pictures are enough: as many as tell what is lost within a stated width."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.robustness.drift import HALF_WIDTH, drift
from sslviz.diagnostics.robustness.feature_steps import MIN_PICTURES
from sslviz.features import Features
from sslviz.features.column_kinds import asked_columns, describe_columns
from sslviz.features.complete_rows import complete_rows, kept
from sslviz.features.label_column import label_column

READ = ("accuracy_lost", "drift")


def enough_corrupted(features: Features, fit: Features | None, corrupted: Features) -> bool:
    """Are these corrupted pictures enough to say what a checkpoint loses?

    Whether the 95 % intervals of `accuracy_lost` and `drift` are at most `HALF_WIDTH` to either side, and every column that
    can be asked has a value for 20 of the pictures.  `features` are of the images, `fit` of those fitted on, `corrupted` of
    the pictures so far.  The rule looks at widths alone, never at the values.  It reads the label of the table, or else
    its first column with classes.

    Caveat: The intervals of other columns may be wider, and each says how wide it is.
    """
    table, of_fit = features.table, None if fit is None else fit.table
    columns = asked_columns(describe_columns(table, of_fit, features.group))
    if not columns:
        return True  # nothing is read from them
    objects = corrupted.column("object").astype(str)
    for column in columns:
        rows = complete_rows(table, of_fit, (column,), group=features.group)
        if np.isin(features.ids[rows.keep], objects).sum() < MIN_PICTURES:
            return False
    label = label_column(table)
    return _told(features, fit, corrupted, label if label in columns else columns[0])


def _told(features: Features, fit: Features | None, corrupted: Features, column: str) -> bool:
    rows = complete_rows(features.table, None if fit is None else fit.table, (column,), group=features.group)
    scored = features.rows(rows.keep)
    fitted = None if fit is None or rows.keep_fit is None else kept(fit, fit.ids[rows.keep_fit])
    pictures = corrupted.rows(np.isin(corrupted.column("object").astype(str), scored.ids))
    try:
        scores = drift(scored, pictures, column, fit=fitted).scores()
    except ValueError:  # as where a collapsed encoder gives the same for all: more pictures may differ
        return False
    ends = [(scores[name].low, scores[name].high) for name in READ if not scores[name].reason]
    return all(low is not None and high is not None and high - low <= 2 * HALF_WIDTH for low, high in ends)
