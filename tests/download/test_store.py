import hashlib
from pathlib import Path

import pytest

from fathomline.dataset.manifest import Record
from fathomline.download.store import Store
from tests.frames import tree

BODY = b"the bytes of a frame"


def record(image_id: int, body: bytes = BODY, url: str = "u") -> Record:
    digest = hashlib.sha256(body).hexdigest()
    return Record(image_id, url, f"images/{image_id}.png", len(body), digest, "ok", "")


def lost(image_id: int) -> Record:
    return Record(image_id, "u", "", 0, "", "failed", "status 503")


def test_a_flipped_byte_is_noticed(tmp_path):
    with Store(tmp_path) as store:
        store.put(record(1), BODY)
        assert store.holds(record(1))
        (tmp_path / "images/1.png").write_bytes(b"T" + BODY[1:])
        assert not store.holds(record(1))


def test_a_run_that_was_killed_is_known_to_the_next(tmp_path):
    with Store(tmp_path) as store:
        store.put(record(1), BODY)
    with Store(tmp_path) as store:
        assert store.known == {1: record(1)}
        assert store.holds(store.known[1])


def test_what_the_manifest_does_not_name_is_removed(tmp_path):
    with Store(tmp_path) as store:
        store.put(record(1), BODY)
        store.put(record(2), BODY)
        (tmp_path / "images/stray.txt").write_bytes(b"x")
        (tmp_path / "images/.9.png.0123.part").write_bytes(b"x")
        (tmp_path / ".dataset.json.0123.part").write_bytes(b"x")
        assert store.finish([record(1), lost(2)])[0] == record(1)
    assert set(tree(tmp_path)) == {"manifest.csv", "images/1.png", "images/2.png"}  # 2 was noted, so it is adopted


def test_a_failed_image_that_another_run_brought_is_adopted(tmp_path):
    with Store(tmp_path) as ours, Store(tmp_path) as theirs:
        theirs.put(record(2), BODY)
        theirs.put(record(3, url="another"), BODY)
        assert ours.finish([lost(2), lost(3)]) == [record(2), lost(3)]
    assert set(tree(tmp_path)) == {"manifest.csv", "images/2.png"}


def test_a_temporary_file_tidied_away_by_another_run_is_written_again(tmp_path, monkeypatch):
    with Store(tmp_path) as store:
        write, calls = Path.write_bytes, []

        def write_and_lose(path: Path, body: bytes) -> int:
            written = write(path, body)
            calls.append(path)
            if len(calls) == 1:
                Store(tmp_path).__exit__()
            return written

        monkeypatch.setattr(Path, "write_bytes", write_and_lose)
        store.put(record(1), BODY)
    assert len(calls) == 2
    assert (tmp_path / "images/1.png").read_bytes() == BODY


def test_a_disk_that_takes_nothing_more_is_an_os_error_and_leaves_no_part(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Store(tmp_path) as store:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            store.put(record(1), BODY)
    assert list((tmp_path / "images").iterdir()) == []
