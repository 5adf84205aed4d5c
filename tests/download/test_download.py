import json
from pathlib import Path
from threading import Thread

import pytest

from fathomline.dataset.coco import read_coco
from fathomline.dataset.manifest import read_manifest
from fathomline.download.download import DownloadConfig, DownloadSummary, download
from fathomline.errors import InputError
from fathomline.machine import MachineConfig
from fathomline.sources.read_source import SourceRequest
from tests.frames import (
    MACHINE,
    as_json,
    breaking_first,
    dataset,
    encoded,
    failing_first,
    picture,
    png,
    redirecting,
    respond,
    stalling,
    tree,
)


def fetch(server, folder: Path, machine: MachineConfig = MACHINE, allowed_missing: float = 0.0) -> DownloadSummary:
    config = DownloadConfig(allowed_missing=allowed_missing, max_megabytes=1.0)
    request = SourceRequest("coco", server.url("/data.json"))
    return download(request, folder, config, machine=machine, labelled=True, allow_loopback=True)


def copy(location: Path, frames: Path, folder: Path, allowed_missing: float = 0.0) -> DownloadSummary:
    config = DownloadConfig(allowed_missing=allowed_missing)
    request = SourceRequest("coco", str(location), str(frames))
    return download(request, folder, config, machine=MACHINE, labelled=True)


def errors(folder: Path) -> dict[int, str]:
    return {record.image_id: record.error for record in read_manifest(folder / "manifest.csv").values() if record.error}


def test_the_json_the_frames_and_their_manifest_are_written(served, tmp_path):
    summary = fetch(served, tmp_path)
    assert (summary.images, summary.fetched, summary.reused, summary.failed) == (4, 4, 0, 0)
    assert summary.bytes == sum(len(png(number)) for number in range(1, 5))
    records = read_manifest(tmp_path / "manifest.csv")
    assert list(records) == [3, 1, 4, 2]
    assert records[4].url == "frames/4"
    for number in range(1, 5):
        assert (tmp_path / f"images/{number}.png").read_bytes() == png(number)
        assert records[number].file == f"images/{number}.png"
        assert records[number].bytes == len(png(number))
    assert set(tree(tmp_path)) == {"dataset.json", "manifest.csv", *(f"images/{n}.png" for n in range(1, 5))}
    assert [image["id"] for image in read_coco(tmp_path / "dataset.json", labelled=True).images] == [3, 1, 4, 2]


def test_the_summary_gives_bytes_and_throughput():
    summary = DownloadSummary(images=4, fetched=3, reused=1, failed=0, bytes=3_000_000, seconds=2.0)
    assert str(summary) == "4 images: 3 fetched (3.0 MB at 1.5 MB/s), 1 reused, 0 failed"


def test_the_extension_follows_the_actual_format(served, tmp_path):
    served.routes["/frames/1"] = encoded(picture(), "JPEG")
    fetch(served, tmp_path)
    assert (tmp_path / "images/1.jpg").read_bytes() == served.routes["/frames/1"]


def test_a_rerun_fetches_nothing_and_changes_nothing(served, tmp_path):
    fetch(served, tmp_path)
    before = tree(tmp_path)
    summary = fetch(served, tmp_path)
    assert (summary.fetched, summary.reused, summary.bytes) == (0, 4, 0)
    assert tree(tmp_path) == before
    assert served.requests["/frames/1"] == 1


def test_a_rerun_fetches_only_missing_and_damaged_files(served, tmp_path):
    fetch(served, tmp_path)
    before = tree(tmp_path)
    (tmp_path / "images/1.png").unlink()
    (tmp_path / "images/2.png").write_bytes(png(2)[:-1])
    (tmp_path / "images/3.png").write_bytes(png(3)[:50] + bytes([png(3)[50] ^ 1]) + png(3)[51:])
    (tmp_path / "images/77.png").write_bytes(b"stray")
    summary = fetch(served, tmp_path)
    assert (summary.fetched, summary.reused) == (3, 1)
    assert [served.requests[f"/frames/{number}"] for number in range(1, 5)] == [2, 2, 2, 1]
    assert tree(tmp_path) == before


def test_an_image_whose_url_changed_is_fetched_again(served, tmp_path):
    fetch(served, tmp_path)
    served.routes["/data.json"] = as_json(dataset([{"id": 1, "coco_url": "/frames/2"}]))
    assert fetch(served, tmp_path).fetched == 1
    assert (tmp_path / "images/1.png").read_bytes() == png(2)
    assert set(tree(tmp_path)) == {"dataset.json", "manifest.csv", "images/1.png"}


def test_transient_errors_do_not_change_the_result(served, tmp_path):
    fetch(served, tmp_path / "undisturbed")
    served.routes |= {
        "/frames/1": failing_first(1, 503, png(1)),
        "/frames/3": breaking_first(1, png(3)),
        "/frames/4": stalling(png(4), times=1),
    }
    served.requests.clear()
    fetch(served, tmp_path / "disturbed")
    assert [served.requests[f"/frames/{number}"] for number in range(1, 5)] == [2, 1, 2, 2]
    assert tree(tmp_path / "disturbed") == tree(tmp_path / "undisturbed")


def test_failed_images_are_recorded_and_raise_an_error_after_the_others_are_fetched(served, tmp_path):
    fetch(served, tmp_path / "undisturbed")
    served.routes["/frames/2"] = b"<html>Too busy</html>"
    del served.routes["/frames/3"]
    served.routes["/frames/4"] = b""
    with pytest.raises(InputError) as caught:
        fetch(served, tmp_path / "raw")
    message = str(caught.value)
    assert message.startswith("download: 3 of 4 images failed")
    assert "  1 × status 404 (images 3; the first is 'frames/3')" in message
    assert "it fetches only what is missing" in message
    assert "set `download.allowed_missing` to at least 0.75; it is 0" in message
    assert errors(tmp_path / "raw") == {
        2: "not an image: begins with b'<html>Too busy</html>'",
        3: "status 404",
        4: "zero bytes",
    }
    assert set(tree(tmp_path / "raw")) == {"dataset.json", "manifest.csv", "images/1.png"}
    served.routes |= {f"/frames/{number}": png(number) for number in (2, 3, 4)}
    assert fetch(served, tmp_path / "raw").reused == 1
    assert tree(tmp_path / "raw") == tree(tmp_path / "undisturbed")


def test_as_many_failures_as_allowed_only_raise_a_warning(served, tmp_path, capsys):
    del served.routes["/frames/3"]
    assert fetch(served, tmp_path, allowed_missing=0.25).failed == 1
    assert "warning: download: 1 of 4 images failed" in capsys.readouterr().err


def test_exactly_the_allowed_fraction_may_fail(tmp_path):
    """0.29 × 100 is slightly less than 29 in floating point."""
    (tmp_path / "good.png").write_bytes(png())
    images = [{"id": number, "file_name": "good.png" if number < 71 else "none.png"} for number in range(100)]
    (tmp_path / "data.json").write_bytes(as_json(dataset(images)))
    assert copy(tmp_path / "data.json", tmp_path, tmp_path / "raw", allowed_missing=0.29).failed == 29


def test_every_kind_of_failure_is_explained_in_the_manifest(served, tmp_path):
    body = png(1, 200, 200)
    failures = {
        1: (lambda handler, before: respond(handler, 200, body, length=len(body) // 2), "broken image"),
        2: (stalling(body), "the server sent nothing for 0.2 s"),
        3: (redirecting("file:///etc/passwd"), "refused: 'file:///etc/passwd' is neither http"),
        4: (redirecting("http://192.168.0.1/"), "refused: 192.168.0.1 is in a private network"),
        5: (redirecting("/frames/5"), "more than 5 redirects"),
        6: (bytes(1_100_000), "larger than 1 MB"),
        7: (
            lambda handler, before: respond(handler, 200, body, length=len(body) + 9) or handler.finish(),
            "the body broke off",
        ),
        8: (failing_first(99, 500, b""), "status 500"),
    }
    served.routes |= {f"/frames/{number}": route for number, (route, _) in failures.items()}
    images = [{"id": number, "coco_url": f"frames/{number}"} for number in failures]
    images += [{"id": 9}, {"id": 10, "coco_url": "ftp://x/"}, {"id": 11, "coco_url": "http://u:p@x/"}]
    served.routes["/data.json"] = as_json(dataset(images))
    with pytest.raises(InputError, match="download: 11 of 11 images failed"):
        fetch(served, tmp_path, MachineConfig(timeout=0.2, retries=1))
    found = errors(tmp_path)
    assert list(found) == list(range(1, 12))
    for number, (_, reason) in failures.items():
        assert found[number].startswith(reason)
    assert found[9].startswith("the JSON gives no `coco_url`")
    assert list((tmp_path / "images").iterdir()) == []


def test_private_hosts_need_permission_and_the_error_says_how(served, tmp_path):
    url = served.url("/data.json")
    with pytest.raises(InputError, match=r"could not be fetched: refused: .*allow_private_hosts: true"):
        download(SourceRequest("coco", url), tmp_path / "raw", DownloadConfig(), machine=MACHINE, labelled=True)
    assert not (tmp_path / "raw").exists()
    config = DownloadConfig(allow_private_hosts=True)
    assert download(SourceRequest("coco", url), tmp_path / "raw", config, machine=MACHINE, labelled=True).fetched == 4


def test_nothing_is_written_without_a_valid_json(server, tmp_path):
    url = server.url("/data.json")
    for body, reason in ((None, "status 404"), (b"<html>", "not JSON"), (as_json({}), "`images` is missing")):
        server.routes["/data.json"] = body
        with pytest.raises(InputError, match=reason) as caught:
            fetch(server, tmp_path / "raw")
        assert str(caught.value).startswith(url)
    server.close()
    with pytest.raises(InputError, match=r"no response: Connection refused.* Check the URL and the network"):
        fetch(server, tmp_path / "raw", MachineConfig(retries=0))
    assert not (tmp_path / "raw").exists()


def test_frames_of_a_local_folder_are_checked_and_copied(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    (tmp_path / "secret.png").write_bytes(png(1))
    names = {1: "good.png", 2: "../secret.png", 3: "truncated.png", 4: "none.png"}
    (frames / "good.png").write_bytes(png(1))
    (frames / "truncated.png").write_bytes(png(3)[:99])
    images = [{"id": number, "file_name": name, "coco_url": "x"} for number, name in names.items()]
    (tmp_path / "data.json").write_bytes(as_json(dataset(images)))
    arguments = tmp_path / "data.json", frames, tmp_path / "raw"
    with pytest.raises(InputError, match="3 of 4 images failed") as caught:
        copy(*arguments)
    assert f"no such file in the folder of the frames (images 4; the first is '{frames}/none.png')" in str(caught.value)
    found = errors(tmp_path / "raw")
    assert "leads outside the folder" in found[2]
    assert found[3].startswith("broken image")
    assert found[4] == "no such file in the folder of the frames"
    assert copy(*arguments, allowed_missing=0.75).reused == 1
    (frames / "good.png").write_bytes(png(7))
    assert copy(*arguments, allowed_missing=0.75).fetched == 1
    assert (tmp_path / "raw/images/1.png").read_bytes() == png(7)
    assert not (tmp_path / "raw/images/1.png").is_symlink()


def test_unusable_sources_are_reported_before_anything_is_written(tmp_path):
    (tmp_path / "data.json").write_bytes(as_json(dataset([{"id": 1, "coco_url": "frames/1.png"}])))
    location = str(tmp_path / "data.json")
    for annotations, images, reason in (
        (location, None, "1 images have a relative `coco_url`"),
        (location, "http://x/frames", "expected a local folder"),
        (location, str(tmp_path / "none"), "no such folder"),
        (str(tmp_path / "none.json"), None, "no such file"),
        ("ftp://x/data.json", None, "could not be fetched"),
        ("file:///etc/passwd", None, "could not be fetched"),
    ):
        request = SourceRequest("coco", annotations, images)
        with pytest.raises(InputError, match=reason):
            download(request, tmp_path / "raw", DownloadConfig(), machine=MACHINE, labelled=True)
    assert not (tmp_path / "raw").exists()


def test_simultaneous_runs_in_one_folder_give_the_result_of_one(served, tmp_path):
    fetch(served, tmp_path / "alone")
    served.delay = 0.01
    for _ in range(3):
        runs = [Thread(target=fetch, args=(served, tmp_path / "shared")) for _ in range(3)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert tree(tmp_path / "shared") == tree(tmp_path / "alone")
        (tmp_path / "shared/images/2.png").unlink()


def test_only_a_test_subset_may_lack_labels(served, tmp_path):
    content = json.loads(served.routes["/data.json"])
    for annotation in content["annotations"]:
        annotation["category_id"] = None
    served.routes["/data.json"] = as_json(content)
    with pytest.raises(InputError, match="4 of 4 annotations have no `category_id`"):
        fetch(served, tmp_path)
    request = SourceRequest("coco", served.url("/data.json"))
    summary = download(request, tmp_path, DownloadConfig(), machine=MACHINE, labelled=False, allow_loopback=True)
    assert summary.fetched == 4
