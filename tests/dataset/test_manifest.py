import pytest

from fathomline.dataset.manifest import (
    Journal,
    Record,
    one_line,
    read_journals,
    read_manifest,
    remove_journals,
    write_manifest,
)
from fathomline.errors import InputError

GOOD = Record(3, "http://x/a,b\"'", "images/3.png", 17, "ab" * 32, "ok", "")
LOST = Record(-1, "NA", "", 0, "", "failed", "status 404")


def test_records_are_read_back_in_their_order(tmp_path):
    write_manifest([GOOD, LOST], tmp_path / "manifest.csv")
    assert list(read_manifest(tmp_path / "manifest.csv").values()) == [GOOD, LOST]
    header = (tmp_path / "manifest.csv").read_text().splitlines()[0]
    assert header == "image_id,url,file,bytes,sha256,status,error"


@pytest.mark.parametrize("file", ["../secret.png", "/etc/passwd", "images/x.png", "images/3.png/..", "images/3"])
def test_a_file_that_the_download_would_not_name_so_is_refused(tmp_path, file):
    write_manifest([Record(3, "u", file, 1, "", "ok", "")], tmp_path / "manifest.csv")
    with pytest.raises(InputError, match=r"1 row\(s\) are not as the download writes them: 3 has .*remove it and run"):
        read_manifest(tmp_path / "manifest.csv")


def test_a_manifest_with_text_for_a_number_is_refused(tmp_path):
    write_manifest([GOOD], tmp_path / "manifest.csv")
    text = (tmp_path / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(text.replace(",17,", ",many,"))
    with pytest.raises(InputError, match="something else than numbers"):
        read_manifest(tmp_path / "manifest.csv")


def test_journals_of_all_runs_are_read_up_to_where_they_were_cut(tmp_path):
    first, second = Journal(tmp_path), Journal(tmp_path)
    first.note(GOOD)
    second.note(LOST)
    first.close()
    second.close()
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes() + b'{"image_id": 4, "url": "htt')
    assert read_journals(tmp_path) == {3: GOOD, -1: LOST}
    remove_journals(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[1]\n", b'{"image_id": 4}\n', b"null\n", b"\n"])
def test_a_line_that_is_no_record_is_passed_over(tmp_path, line):
    (tmp_path / ".manifest.0.journal").write_bytes(line)
    assert read_journals(tmp_path) == {}


def test_what_cannot_be_printed_is_escaped():
    assert one_line("frames/é 1.png") == "frames/é 1.png"
    assert one_line("a\nb\0") == "a\\nb\\x00"
