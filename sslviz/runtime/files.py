"""Atomic file writes: temporary file, fsync, rename."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` whole or not at all: temporary file beside it, fsync, rename.

    On any error (a full disk, an interrupt) the temporary file is removed, what stood at `path` stays as it was, and an
    OSError names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # not mkstemp, whose files only their owner may read
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(
                error.errno, f"Could not write {path} ({error.strerror or error}); nothing was changed"
            ) from error
        raise


def sweep(folder: Path) -> None:
    """Removes temporary files that killed writers left in `folder`; only for a folder that no one else writes to."""
    for path in folder.glob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{32}", path.name):
            path.unlink(missing_ok=True)
