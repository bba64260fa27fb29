import os
import resource
import threading

import pytest

from sslviz.runtime.files import atomic_write, check_file, check_folder


def test_a_file_appears_whole(tmp_path):
    with atomic_write(tmp_path / "deep" / "a.bin") as file:
        file.write(b"new")
        assert not (tmp_path / "deep" / "a.bin").exists()
    assert (tmp_path / "deep" / "a.bin").read_bytes() == b"new"


def test_an_error_leaves_what_was_there(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_full_disk_is_one_sentence_and_nothing_half_written(tmp_path):
    """The kernel itself refuses the bytes: past the file size limit a write fails just as on a full disk."""
    (tmp_path / "a").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match=r"Could not write .*a \(.*\); nothing was changed"):
            with atomic_write(tmp_path / "a") as file:
                file.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_many_writers_at_once_leave_one_whole_file(tmp_path):
    contents = [bytes([i]) * 200_000 for i in range(8)]

    def write(content):
        with atomic_write(tmp_path / "a") as file:
            file.write(content)

    threads = [threading.Thread(target=write, args=(c,)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_asked_before_the_work_and_left_as_it_was(tmp_path, freeze):
    check_folder(tmp_path / "not" / "there" / "yet")
    check_file(tmp_path / "new" / "file")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a").write_bytes(b"")
    for bad in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(ValueError, match=r"^Nothing can be written into .*/a \(Not a directory\)\.$"):
            check_folder(bad)
    with pytest.raises(ValueError, match="is a folder; name a file in it"):
        check_file(tmp_path)
    freeze(tmp_path)
    with pytest.raises(ValueError, match=r"\(Read-only file system\)\.$"):
        check_folder(tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # taking it away would not bind a superuser
    with pytest.raises(ValueError, match="Permission denied"):
        check_folder(tmp_path)
    assert not list(tmp_path.iterdir())
