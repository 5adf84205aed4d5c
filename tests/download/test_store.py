import hashlib
from pathlib import Path

import pytest

from fathomline.dataset.manifest import Record
from fathomline.download.store import Store
from tests.frames import tree

BODY = b"the bytes of a frame"


def fetched(image_id: int, url: str = "u") -> Record:
    digest = hashlib.sha256(BODY).hexdigest()
    return Record(image_id, url, f"images/{image_id}.png", len(BODY), digest, "ok", "")


def failed(image_id: int) -> Record:
    return Record(image_id, "u", "", 0, "", "failed", "status 503")


def test_a_changed_byte_is_detected(tmp_path):
    with Store(tmp_path) as store:
        store.put(fetched(1), BODY)
        assert store.is_intact(fetched(1))
        (tmp_path / "images/1.png").write_bytes(b"T" + BODY[1:])
        assert not store.is_intact(fetched(1))


def test_the_records_of_a_killed_run_are_read_by_the_next(tmp_path):
    with Store(tmp_path) as store:
        store.put(fetched(1), BODY)
    with Store(tmp_path) as store:
        assert store.previous == {1: fetched(1)}
        assert store.is_intact(store.previous[1])


def test_files_that_the_manifest_does_not_list_are_removed(tmp_path):
    with Store(tmp_path) as store:
        store.put(fetched(1), BODY)
        store.put(fetched(2), BODY)
        (tmp_path / "images/stray.txt").write_bytes(b"x")
        (tmp_path / "images/.9.png.0123.part").write_bytes(b"x")
        (tmp_path / ".dataset.json.0123.part").write_bytes(b"x")
        assert store.finish([fetched(1)]) == [fetched(1)]
    assert set(tree(tmp_path)) == {"manifest.csv", "images/1.png"}


def test_a_failed_image_that_another_run_fetched_is_kept(tmp_path):
    with Store(tmp_path) as ours, Store(tmp_path) as theirs:
        theirs.put(fetched(2), BODY)
        theirs.put(fetched(3, url="another"), BODY)
        assert ours.finish([failed(2), failed(3)]) == [fetched(2), failed(3)]
    assert set(tree(tmp_path)) == {"manifest.csv", "images/2.png"}


def test_a_temporary_file_removed_by_another_run_is_written_again(tmp_path, monkeypatch):
    with Store(tmp_path) as store:
        write, calls = Path.write_bytes, []

        def write_and_lose(path: Path, body: bytes) -> int:
            written = write(path, body)
            calls.append(path)
            if len(calls) == 1:
                Store(tmp_path).__exit__()
            return written

        monkeypatch.setattr(Path, "write_bytes", write_and_lose)
        store.put(fetched(1), BODY)
    assert len(calls) == 2
    assert (tmp_path / "images/1.png").read_bytes() == BODY


def test_a_full_disk_is_an_os_error_and_leaves_no_temporary_file(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Store(tmp_path) as store:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            store.put(fetched(1), BODY)
    assert list((tmp_path / "images").iterdir()) == []
