import pytest

from fathomline.dataset.manifest import (
    ManifestJournal,
    Record,
    one_line,
    read_journals,
    read_manifest,
    remove_journals,
    write_manifest,
)
from fathomline.errors import InputError

OK = Record(3, "http://x/a,b\"'", "images/3.png", 17, "ab" * 32, "ok", "")
FAILED = Record(-1, "NA", "", 0, "", "failed", "status 404")


def test_records_are_read_back_in_order(tmp_path):
    write_manifest([OK, FAILED], tmp_path / "manifest.csv")
    assert list(read_manifest(tmp_path / "manifest.csv").values()) == [OK, FAILED]
    header = (tmp_path / "manifest.csv").read_text().splitlines()[0]
    assert header == "image_id,url,file,bytes,sha256,status,error"


@pytest.mark.parametrize("file", ["../secret.png", "/etc/passwd", "images/x.png", "images/3.png/..", "images/3"])
def test_a_file_name_that_the_download_never_writes_is_refused(tmp_path, file):
    write_manifest([Record(3, "u", file, 1, "", "ok", "")], tmp_path / "manifest.csv")
    with pytest.raises(
        InputError, match=r"1 row\(s\) were not written by the download: image 3 has .*remove it and run"
    ):
        read_manifest(tmp_path / "manifest.csv")


def test_a_manifest_with_text_in_place_of_a_number_is_refused(tmp_path):
    write_manifest([OK], tmp_path / "manifest.csv")
    text = (tmp_path / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(text.replace(",17,", ",many,"))
    with pytest.raises(InputError, match="expected integers in `image_id` and `bytes`"):
        read_manifest(tmp_path / "manifest.csv")


def test_truncated_journals_of_all_runs_are_read(tmp_path):
    first, second = ManifestJournal(tmp_path), ManifestJournal(tmp_path)
    first.append(OK)
    second.append(FAILED)
    first.close()
    second.close()
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes() + b'{"image_id": 4, "url": "htt')
    assert read_journals(tmp_path) == {3: OK, -1: FAILED}
    remove_journals(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[1]\n", b'{"image_id": 4}\n', b"null\n", b"\n"])
def test_a_journal_line_that_is_not_a_record_is_skipped(tmp_path, line):
    (tmp_path / ".manifest.0.journal").write_bytes(line)
    assert read_journals(tmp_path) == {}


def test_unprintable_characters_are_escaped():
    assert one_line("frames/é 1.png") == "frames/é 1.png"
    assert one_line("a\nb\0") == "a\\nb\\x00"
