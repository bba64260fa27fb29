"""Atomic file writes (temporary file, fsync, rename), and locks of folders."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, ENOTDIR
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

TRIAL = 8192  # bytes written to see whether the disk is full; less may lie beside a file's name


def check_folder(folder: Path) -> None:
    """Asks before any work whether files can be written into a folder, or the folder made; ValueError if not.

    A file of a few kilobytes is written there and removed again, since permissions alone know nothing of a full disk or a
    file system that is read-only.  Of a folder that is not there yet, the nearest one above it is asked.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    trial = there / f".trial.{uuid4().hex}"
    try:
        if not there.is_dir():
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
        try:
            with open(trial, "xb") as file:
                file.write(bytes(TRIAL))
        finally:
            trial.unlink(missing_ok=True)
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise ValueError(f"Nothing can be written into {there} ({error.strerror or error}).") from None


def check_file(path: Path) -> None:
    """Asks before any work whether a file can be written at `path`; ValueError if not, and if it is a folder."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it.")
    check_folder(path.parent)


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
    except BaseException as error:  # an interrupt too leaves nothing behind; it is raised again
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


@contextmanager
def folder_lock(folder: Path, refusal: str) -> Iterator[None]:
    """Holds a folder for this process alone; ValueError, with this sentence, while another one holds it.

    The lock goes with the process, however it ends.
    """
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(refusal) from None
        yield
