import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from fathomline.dataset.coco import read_coco
from fathomline.dataset.manifest import read_manifest
from fathomline.download.download import download
from fathomline.errors import InputError
from tests.frames import (
    as_json,
    breaking_first,
    dataset,
    download_config,
    encoded,
    failing_first,
    picture,
    png,
    redirecting,
    respond,
    stalling,
    tree,
)


def bring(server, folder: Path, **changes):
    config = download_config(**changes)
    return download(server.url("/data.json"), None, folder, config, labelled=True, allow_loopback=True)


def errors(folder: Path) -> dict[int, str]:
    return {record.image_id: record.error for record in read_manifest(folder / "manifest.csv").values() if record.error}


def test_frames_and_manifest_are_as_the_json_says(served, tmp_path):
    done = bring(served, tmp_path / "raw")
    assert (done.images, done.fetched, done.kept, done.failed) == (4, 4, 0, 0)
    records = read_manifest(tmp_path / "raw/manifest.csv")
    assert list(records) == [3, 1, 4, 2]
    assert records[4].url == "frames/4"
    for number in range(1, 5):
        assert (tmp_path / f"raw/images/{number}.png").read_bytes() == png(number)
        assert records[number].file == f"images/{number}.png"
        assert records[number].bytes == len(png(number))
    assert set(tree(tmp_path / "raw")) == {"dataset.json", "manifest.csv", *(f"images/{n}.png" for n in range(1, 5))}
    assert [image["id"] for image in read_coco(tmp_path / "raw/dataset.json", labelled=True).images] == [3, 1, 4, 2]


def test_the_extension_is_that_of_what_came(served, tmp_path):
    served.routes["/frames/1"] = encoded(picture(), "JPEG")
    bring(served, tmp_path)
    assert (tmp_path / "images/1.jpg").read_bytes() == served.routes["/frames/1"]


def test_a_rerun_fetches_nothing_and_changes_nothing(served, tmp_path):
    bring(served, tmp_path)
    before, asked = tree(tmp_path), dict(served.requests)
    done = bring(served, tmp_path)
    assert (done.fetched, done.kept, done.bytes) == (0, 4, 0)
    assert tree(tmp_path) == before
    assert served.requests["/frames/1"] == asked["/frames/1"] == 1


def test_a_rerun_fetches_exactly_what_is_missing_or_damaged(served, tmp_path):
    bring(served, tmp_path)
    before = tree(tmp_path)
    (tmp_path / "images/1.png").unlink()
    (tmp_path / "images/2.png").write_bytes(png(2)[:-1])
    (tmp_path / "images/3.png").write_bytes(png(3)[:50] + bytes([png(3)[50] ^ 1]) + png(3)[51:])
    (tmp_path / "images/77.png").write_bytes(b"stray")
    done = bring(served, tmp_path)
    assert (done.fetched, done.kept) == (3, 1)
    assert [served.requests[f"/frames/{number}"] for number in range(1, 5)] == [2, 2, 2, 1]
    assert tree(tmp_path) == before


def test_an_image_with_another_url_is_fetched_anew(served, tmp_path):
    bring(served, tmp_path)
    served.routes["/data.json"] = as_json(dataset([{"id": 1, "coco_url": "/frames/2"}]))
    assert bring(served, tmp_path).fetched == 1
    assert (tmp_path / "images/1.png").read_bytes() == png(2)
    assert set(tree(tmp_path)) == {"dataset.json", "manifest.csv", "images/1.png"}


def test_troubles_that_pass_leave_no_trace(served, tmp_path):
    bring(served, tmp_path / "calm")
    served.routes |= {
        "/frames/1": failing_first(2, 503, png(1)),
        "/frames/2": failing_first(1, 429, png(2), Retry_After="1"),
        "/frames/3": breaking_first(1, png(3)),
        "/frames/4": stalling(png(4), times=1),
    }
    served.requests.clear()
    bring(served, tmp_path / "stormy")
    assert tree(tmp_path / "stormy") == tree(tmp_path / "calm")


def test_failures_are_recorded_the_rest_goes_on_and_the_end_is_an_error(served, tmp_path):
    served.routes["/frames/2"] = b"<html>Too busy</html>"
    del served.routes["/frames/3"]
    served.routes["/frames/4"] = b""
    with pytest.raises(InputError) as caught:
        bring(served, tmp_path)
    told = str(caught.value)
    assert told.startswith("download: 3 of 4 images failed")
    assert "  1 × status 404 (images 3)" in told
    assert "only the missing are fetched" in told
    assert "`download.allowed_missing` is 0, and 0.75 are missing" in told
    assert errors(tmp_path) == {
        2: "not an image: begins with b'<html>Too busy</html>'",
        3: "status 404",
        4: "zero bytes",
    }
    assert set(tree(tmp_path)) == {"dataset.json", "manifest.csv", "images/1.png"}
    served.routes |= {f"/frames/{number}": png(number) for number in (2, 3, 4)}
    assert bring(served, tmp_path).kept == 1
    bring(served, tmp_path / "fresh")
    assert {name: body for name, body in tree(tmp_path).items() if not name.startswith("fresh")} == tree(
        tmp_path / "fresh"
    )


def test_as_many_failures_as_allowed_are_a_warning(served, tmp_path, capsys):
    del served.routes["/frames/3"]
    assert bring(served, tmp_path, allowed_missing=0.25).failed == 1
    assert "warning: download: 1 of 4 images failed" in capsys.readouterr().err


def test_every_fault_of_a_server_ends_in_a_reason_in_the_manifest(served, tmp_path):
    body = png(1, 200, 200)
    faults = {
        1: (lambda handler, before: respond(handler, 200, body, length=len(body) // 2), "broken image"),
        2: (stalling(body), "the server sent nothing for 0.2 s"),
        3: (redirecting("file:///etc/passwd"), "refused: 'file:///etc/passwd' is neither http"),
        4: (redirecting("http://192.168.0.1/"), "refused: 192.168.0.1 is in a private network"),
        5: (redirecting("/frames/5"), "more than 5 redirects"),
        6: (bytes(1_100_000), "larger than 1 MB"),
        7: (lambda handler, before: respond(handler, 200, body, length=len(body) + 9) or handler.finish(), "broken in"),
        8: (failing_first(99, 500, b""), "status 500"),
    }
    served.routes |= {f"/frames/{number}": route for number, (route, _) in faults.items()}
    images = [{"id": number, "coco_url": f"frames/{number}"} for number in faults]
    images += [{"id": 9}, {"id": 10, "coco_url": "ftp://x/"}, {"id": 11, "coco_url": "http://u:p@x/"}]
    served.routes["/data.json"] = as_json(dataset(images))
    with pytest.raises(InputError, match="download: 11 of 11 images failed"):
        bring(served, tmp_path, timeout=0.2, retries=1)
    told = errors(tmp_path)
    assert list(told) == list(range(1, 12))
    for number, (_, reason) in faults.items():
        assert told[number].startswith(reason)
    assert told[9].startswith("the JSON gives no `coco_url`")
    assert list((tmp_path / "images").iterdir()) == []


def test_private_hosts_need_permission_and_the_error_says_how(served, tmp_path):
    with pytest.raises(InputError, match=r"could not be fetched: refused: .*allow_private_hosts: true"):
        download(served.url("/data.json"), None, tmp_path / "raw", download_config(), labelled=True)
    assert not (tmp_path / "raw").exists()
    config = download_config(allow_private_hosts=True)
    assert download(served.url("/data.json"), None, tmp_path / "raw", config, labelled=True).fetched == 4


def test_without_the_json_nothing_is_written(server, tmp_path):
    url = server.url("/data.json")
    for body, reason in ((None, "status 404"), (b"<html>", "not JSON"), (as_json({}), "`images` is missing")):
        server.routes["/data.json"] = body
        with pytest.raises(InputError, match=reason) as caught:
            bring(server, tmp_path / "raw")
        assert str(caught.value).startswith(url)
    server.close()
    with pytest.raises(InputError, match=r"no answer: Connection refused.* Check the URL and the network"):
        bring(server, tmp_path / "raw", retries=0)
    assert not (tmp_path / "raw").exists()


def test_frames_of_a_local_folder_are_copied_and_checked_alike(served, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    names = {1: "good.png", 2: "../good.png", 3: "torn.png", 4: "none.png"}
    (frames / "good.png").write_bytes(png(1))
    (frames / "torn.png").write_bytes(png(3)[:99])
    images = [{"id": number, "file_name": name, "coco_url": "x"} for number, name in names.items()]
    (tmp_path / "data.json").write_bytes(as_json(dataset(images)))

    def copy(**changes):
        location = str(tmp_path / "data.json")
        return download(location, str(frames), tmp_path / "raw", download_config(**changes), labelled=True)

    with pytest.raises(InputError, match="3 of 4 images failed"):
        copy()
    told = errors(tmp_path / "raw")
    assert "leads out of the folder" in told[2]
    assert told[3].startswith("broken image")
    assert told[4] == "no such file under `source.images`"
    assert copy(allowed_missing=0.75).kept == 1
    (frames / "good.png").write_bytes(png(7))
    assert copy(allowed_missing=0.75).fetched == 1
    assert (tmp_path / "raw/images/1.png").read_bytes() == png(7)
    assert not (tmp_path / "raw/images/1.png").is_symlink()


def test_places_that_are_not_what_they_should_be_are_named(tmp_path):
    (tmp_path / "data.json").write_bytes(as_json(dataset([{"id": 1, "coco_url": "frames/1.png"}])))
    location = str(tmp_path / "data.json")
    for place, images, reason in (
        (location, None, "1 images have a relative `coco_url`"),
        (location, "http://x/frames", "expected a local folder"),
        (location, str(tmp_path / "none"), "no such folder"),
        (str(tmp_path / "none.json"), None, "no such file"),
        ("ftp://x/data.json", None, "could not be fetched"),
        ("file:///etc/passwd", None, "could not be fetched"),
    ):
        with pytest.raises(InputError, match=reason):
            download(place, images, tmp_path / "raw", download_config(), labelled=True)
    assert not (tmp_path / "raw").exists()


def test_a_full_disk_stops_the_run_and_keeps_what_was_fetched(served, tmp_path, monkeypatch):
    write = Path.write_bytes

    def filling(path: Path, body: bytes) -> int:
        if body == png(2):
            raise OSError(28, "No space left on device", str(path))
        return write(path, body)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", filling)
        with pytest.raises(InputError, match="No space left on device; download stopped"):
            bring(served, tmp_path, workers=1)
    assert bring(served, tmp_path).kept == 3
    bring(served, tmp_path / "fresh")
    assert tree(tmp_path / "fresh").items() <= tree(tmp_path).items()


DOWNLOAD = """
import resource, sys
from pathlib import Path
from fathomline.errors import InputError
from fathomline.download.download import DownloadConfig, download
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
config = DownloadConfig(
    workers=2, allowed_missing=0.0, allow_private_hosts=False, timeout=5.0, retries=0, max_megabytes=1.0
)
try:
    download(sys.argv[1], sys.argv[2], Path(sys.argv[3]), config, labelled=True)
except InputError as error:
    sys.exit(f"error: {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize(("limit", "stopped_at"), [(500, "dataset.json"), (1500, "raw"), (4000, "images/5.png")])
def test_wherever_the_disk_takes_no_more_it_is_told_and_the_rerun_ends_the_same(tmp_path, limit, stopped_at):
    """The system refuses what is beyond the limit: of the JSON, of the journal, or of a frame."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(12):
        large = number == 5 and stopped_at == "images/5.png"
        (frames / f"{number}.png").write_bytes(png(number, width=80 if large else 8, height=40))
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(12)]
    (tmp_path / "data.json").write_bytes(as_json(dataset(images, dataset(images)["annotations"][:1])))
    arguments = [str(tmp_path / "data.json"), str(frames), tmp_path / "raw"]
    command = [sys.executable, "-c", DOWNLOAD, *map(str, arguments), str(limit)]
    stopped = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert stopped.returncode == 1
    assert f"{stopped_at}: File too large; download stopped. What was fetched is kept" in stopped.stderr
    assert not list(tmp_path.rglob("*.part"))
    for folder in (arguments[2], tmp_path / "undisturbed"):
        download(arguments[0], arguments[1], folder, download_config(), labelled=True)
    assert tree(tmp_path / "raw") == tree(tmp_path / "undisturbed")


def test_what_was_done_is_told_with_bytes_and_rate(served, tmp_path):
    (tmp_path / "images").mkdir()
    done = bring(served, tmp_path)
    assert (done.images, done.fetched, done.kept, done.failed) == (4, 4, 0, 0)
    assert done.bytes == sum(path.stat().st_size for path in (tmp_path / "images").iterdir())
    told = str(replace(done, bytes=3_000_000, seconds=2.0))
    assert told == "4 images: 4 fetched (3.0 MB at 1.5 MB/s), 0 kept, 0 failed"


def test_the_manifest_is_written_once_however_many_frames_come(served, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("fathomline.download.store.write_manifest", lambda *told: written.append(told))
    bring(served, tmp_path)
    assert len(written) == 1


def test_exactly_the_allowed_share_may_be_missing(served, tmp_path):
    images = [{"id": number, "coco_url": f"frames/{number}"} for number in range(100)]
    served.routes["/data.json"] = as_json(dataset(images))
    served.routes |= {f"/frames/{number}": png(1) for number in range(71)}
    for number in range(71, 100):
        served.routes.pop(f"/frames/{number}", None)
    assert bring(served, tmp_path, allowed_missing=0.29, workers=8).failed == 29


def test_two_runs_at_once_end_as_one(served, tmp_path):
    bring(served, tmp_path / "alone")
    served.delay = 0.01
    for _ in range(5):
        runs = [Thread(target=bring, args=(served, tmp_path / "both")) for _ in range(3)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert tree(tmp_path / "both") == tree(tmp_path / "alone")
        (tmp_path / "both/images/2.png").unlink()


def test_a_test_subset_may_lack_labels_but_a_training_subset_may_not(served, tmp_path):
    content = json.loads(served.routes["/data.json"])
    for annotation in content["annotations"]:
        annotation["category_id"] = None
    served.routes["/data.json"] = as_json(content)
    with pytest.raises(InputError, match="4 of 4 annotations have no `category_id`"):
        bring(served, tmp_path)
    location = served.url("/data.json")
    assert download(location, None, tmp_path, download_config(), labelled=False, allow_loopback=True).fetched == 4
