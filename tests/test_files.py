"""Files are whole or absent, replace nothing but files, and are refused by name when they are damaged."""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fathomline import files
from fathomline.cli import main
from fathomline.errors import InputError
from fathomline.files import read_json, write_json, written_whole

ROOT = Path(__file__).parents[1]
SAFETENSORS = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from fathomline.files import written_whole
from stages import run

def stage():
    with written_whole(Path(sys.argv[1])) as temporary:
        save_file({"weights": torch.zeros(200_000)}, temporary)

run(stage)
"""
WRITER = """
import sys, time
from pathlib import Path
from fathomline.files import written_whole
from stages import run

def stage():
    with written_whole(Path(sys.argv[1])) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        time.sleep(60)

run(stage)
"""


@pytest.fixture(autouse=True)
def nothing_swept_yet():
    files._remove_abandoned.cache_clear()


def writer(path: Path) -> subprocess.Popen:
    """A stage that has written half of `path` and will not go on."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def ended(process: subprocess.Popen, number: int) -> int:
    process.send_signal(number)
    process.communicate(timeout=20)
    return process.returncode


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


def test_a_file_is_replaced(tmp_path):
    write_json(1, tmp_path / "a.json")
    write_json(2, tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert read_json(tmp_path / "a.json") == 2


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(tmp_path):
    cache, link = tmp_path / "cache", tmp_path / "metrics.json"
    cache.write_text("what DVC keeps")
    link.symlink_to(cache)
    write_json(2, link)
    assert cache.read_text() == "what DVC keeps"
    assert read_json(link) == 2
    assert not link.is_symlink()


def test_a_link_to_nothing_becomes_the_file(tmp_path):
    (tmp_path / "a.json").symlink_to(tmp_path / "gone")
    write_json(2, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == 2
    assert not (tmp_path / "gone").exists()


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def link_to_a_device(path: Path) -> None:
    path.symlink_to(os.devnull)


@pytest.mark.parametrize(
    ("make", "kind"),
    [(folder, "a folder"), (pipe, "a pipe"), (bound_socket, "a socket"), (link_to_a_device, "a device")],
)
def test_what_is_not_a_file_is_refused_and_left_alone(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = Path("target")
    make(path)
    before = path.lstat()
    with pytest.raises(InputError, match=f"^target is {kind}, expected a file or a new name$"):
        write_json(1, path)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not temporaries(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
def test_a_target_that_is_no_file_is_refused_by_the_command_line_in_one_line(tmp_path, capsys):
    truth = tmp_path / "truth.csv"
    truth.write_text("annotation_id,concept_name\n1,Porifera\n")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for target, says in [
        (str(loop), f"{loop}: Too many levels of symbolic links"),
        ("/dev/full", "/dev/full is a device, expected a file or a new name"),
        (str(tmp_path), f"{tmp_path} is a folder, expected a file or a new name"),
        (str(truth / "details.csv"), f"{truth}/details.csv: cannot be written, because {truth} is not a folder"),
    ]:
        assert main(["score", str(truth), str(truth), "--details", target]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: {says}")
        assert err.count("\n") == 1
    assert Path("/dev/full").is_char_device()


@pytest.mark.skipif(sys.platform != "linux", reason="links to /proc are Linux's")
def test_standard_output_under_its_own_name_is_refused(tmp_path):
    script = "from pathlib import Path; from fathomline.files import write_json; write_json(1, Path('/dev/stdout'))"
    with open(tmp_path / "out", "w") as out:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert "/dev/stdout belongs to the operating system" in done.stderr
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize("name", ["taken/a.json", "taken/deeper/a.json"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, name):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"a\.json: cannot be written, because .*/taken is not a folder; move"):
        write_json(1, tmp_path / name)


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path, monkeypatch):
    def refused(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(PermissionError) as raised:
        write_json(1, tmp_path / "a.json")
    assert raised.value.filename == str(tmp_path / "a.json")


def test_a_full_disk_ends_the_command_line_with_one_line(small_disk, tmp_path, capsys):
    truth, details = tmp_path / "truth.csv", small_disk / "details.csv"
    rows = "".join(f"{number},Porifera\n" for number in range(9000))
    truth.write_text(f"annotation_id,concept_name\n{rows}")
    assert main(["score", str(truth), str(truth), "--details", str(details)]) == 1
    assert capsys.readouterr() == ("", f"error: {details}: No space left on device\n")
    assert not list(small_disk.iterdir())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB."""
    if sys.platform != "linux":
        pytest.skip("tmpfs is Linux's")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_copy_that_does_not_fit_on_the_disk_is_named_and_not_its_original(small_disk, tmp_path):
    original, copy = tmp_path / "original", small_disk / "copy"
    original.write_bytes(bytes(400_000))
    with pytest.raises(OSError, match="No space left") as raised, written_whole(copy) as temporary:
        shutil.copyfile(original, temporary)
    assert (raised.value.filename, raised.value.filename2) == (str(copy), None)


def test_on_a_read_only_disk_the_file_is_named_and_not_the_temporary_one(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Read-only") as raised:
        write_json(1, small_disk / "a.json")
    assert raised.value.filename == str(small_disk / "a.json")


def saved(path: Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", SAFETENSORS, path]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **options)


def test_weights_that_do_not_fit_on_the_disk_are_named_like_any_file(small_disk):
    done = saved(small_disk / "model.safetensors")
    says = f"error: {small_disk}/model.safetensors: No space left on device. Correct the cause"
    assert (done.returncode, done.stderr[: len(says)], done.stderr.count("\n")) == (1, says, 1)
    assert not list(small_disk.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_weights_that_the_system_refuses_are_named_like_any_file(tmp_path):
    import resource

    limit = (50_000, 50_000)
    done = saved(tmp_path / "model.safetensors", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert done.stderr.startswith(f"error: {tmp_path}/model.safetensors: File too large. Correct the cause")
    assert not list(tmp_path.iterdir())


def test_another_error_while_writing_is_passed_on_as_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "a"):
        raise ZeroDivisionError("(os error 28)")


def test_sigterm_leaves_nothing_behind(tmp_path):
    assert ended(writer(tmp_path / "a.txt"), signal.SIGTERM) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_what_sigkill_leaves_is_removed_by_the_next_writer(tmp_path):
    ended(writer(tmp_path / "a.txt"), signal.SIGKILL)
    assert len(temporaries(tmp_path)) == 1
    write_json(1, tmp_path / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    live = writer(tmp_path / "a.txt")
    try:
        write_json(1, tmp_path / "a.txt")
        assert len(temporaries(tmp_path)) == 1
    finally:
        ended(live, signal.SIGKILL)


@pytest.mark.parametrize(("age", "stays"), [(60, True), (7200, False)])
def test_what_a_process_on_another_machine_left_is_removed_when_it_is_old(tmp_path, age, stays):
    left = tmp_path / ".a.txt.00000000-1-0123456789ab.part"
    left.write_text("half")
    os.utime(left, (time.time() - age,) * 2)
    (tmp_path / ".firefox.part").write_text("not ours")
    os.utime(tmp_path / ".firefox.part", (0, 0))
    write_json(1, tmp_path / "a.txt")
    assert left.exists() == stays
    assert (tmp_path / ".firefox.part").exists()


def test_what_another_user_left_does_not_stop_a_writer(tmp_path, monkeypatch):
    left = tmp_path / ".a.txt.00000000-1-0123456789ab.part"
    left.write_text("half")
    os.utime(left, (0, 0))
    unlink = Path.unlink

    def refused(path, *_, **options):
        if path == left:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refused)
    write_json(1, tmp_path / "a.txt")
    assert read_json(tmp_path / "a.txt") == 1


def test_sigterm_works_as_before_after_a_stage(tmp_path):
    from stages import run

    before = signal.getsignal(signal.SIGTERM)
    run(lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before
    with contextlib.suppress(SystemExit):
        run(lambda: (_ for _ in ()).throw(InputError("x")))
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_file_is_as_readable_as_any_other_whoever_wrote_it(tmp_path):
    (tmp_path / "usual").touch()
    with written_whole(tmp_path / "weights") as temporary:
        temporary.touch(mode=0o600)  # as safetensors does
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "usual").stat().st_mode
