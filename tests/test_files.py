"""Files are written completely or not at all, and replace only regular files."""

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
def no_folder_cleaned_yet():
    files._remove_abandoned.cache_clear()


def writer(path: Path) -> subprocess.Popen:
    """Start a stage that has written half of `path` and now sleeps."""
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


def test_a_link_is_replaced_and_its_target_stays_unchanged(tmp_path):
    cache, link = tmp_path / "cache", tmp_path / "metrics.json"
    cache.write_text("cached")
    link.symlink_to(cache)
    write_json(2, link)
    assert cache.read_text() == "cached"
    assert read_json(link) == 2
    assert not link.is_symlink()


def test_a_broken_link_is_replaced(tmp_path):
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
def test_a_special_file_is_refused_and_stays_unchanged(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = Path("target")
    make(path)
    before = path.lstat()
    with pytest.raises(InputError, match=f"^target is {kind}, expected a file or a new name$"):
        write_json(1, path)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not temporaries(tmp_path)


def test_a_target_that_cannot_be_written_stops_the_command_line_in_one_line(tmp_path, capsys):
    truth, loop = tmp_path / "truth.csv", tmp_path / "loop"
    truth.write_text("annotation_id,concept_name\n1,Porifera\n")
    loop.symlink_to(loop)
    assert main(["score", str(truth), str(truth), "--details", str(loop)]) == 1
    assert capsys.readouterr() == ("", f"error: {loop}: Too many levels of symbolic links\n")


@pytest.mark.skipif(sys.platform != "linux", reason="links to /proc exist only on Linux")
def test_the_path_of_standard_output_is_refused(tmp_path):
    script = "from pathlib import Path; from fathomline.files import write_json; write_json(1, Path('/dev/stdout'))"
    with open(tmp_path / "out", "w") as out:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert "/dev/stdout belongs to the operating system" in done.stderr
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize("name", ["taken/a.json", "taken/deeper/a.json"])
def test_a_file_where_a_folder_is_needed_is_reported(tmp_path, name):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"a\.json: cannot be written, because .*/taken is not a folder; move it away"):
        write_json(1, tmp_path / name)


def test_an_error_names_the_target_instead_of_the_temporary_file(tmp_path, monkeypatch):
    def refused(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(PermissionError) as raised:
        write_json(1, tmp_path / "a.json")
    assert raised.value.filename == str(tmp_path / "a.json")


def test_a_write_error_without_a_file_name_gets_it(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space left") as raised:
        write_json({}, tmp_path / "metrics.json")
    assert raised.value.filename == str(tmp_path / "metrics.json")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB."""
    if sys.platform != "linux":
        pytest.skip("tmpfs exists only on Linux")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_during_a_copy_is_reported_with_the_target(small_disk, tmp_path):
    original, copy = tmp_path / "original", small_disk / "copy"
    original.write_bytes(bytes(400_000))
    with pytest.raises(OSError, match="No space left") as raised, written_whole(copy) as temporary:
        shutil.copyfile(original, temporary)
    assert (raised.value.filename, raised.value.filename2) == (str(copy), None)


def test_a_read_only_disk_is_reported_with_the_target(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Read-only") as raised:
        write_json(1, small_disk / "a.json")
    assert raised.value.filename == str(small_disk / "a.json")


def saved(path: Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", SAFETENSORS, path]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **options)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_weights_that_the_system_refuses_are_reported_with_the_target(tmp_path):
    import resource

    limit = (50_000, 50_000)
    done = saved(tmp_path / "model.safetensors", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert done.stderr.startswith(f"error: {tmp_path}/model.safetensors: File too large. Correct the cause")
    assert not list(tmp_path.iterdir())


def test_other_errors_while_writing_are_raised_unchanged(tmp_path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "a"):
        raise ZeroDivisionError("(os error 28)")


def test_sigterm_leaves_no_temporary_file(tmp_path):
    assert ended(writer(tmp_path / "a.txt"), signal.SIGTERM) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_the_next_writer_removes_the_temporary_file_of_a_killed_one(tmp_path):
    ended(writer(tmp_path / "a.txt"), signal.SIGKILL)
    assert len(temporaries(tmp_path)) == 1
    write_json(1, tmp_path / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_temporary_file_of_a_running_writer_stays(tmp_path):
    live = writer(tmp_path / "a.txt")
    try:
        write_json(1, tmp_path / "a.txt")
        assert len(temporaries(tmp_path)) == 1
    finally:
        ended(live, signal.SIGKILL)


@pytest.mark.parametrize(("age", "stays"), [(60, True), (7200, False)])
def test_a_temporary_file_from_another_machine_is_removed_only_when_old(tmp_path, age, stays):
    left = tmp_path / ".a.txt.00000000-1-0123456789ab.part"
    left.write_text("half")
    os.utime(left, (time.time() - age,) * 2)
    (tmp_path / ".firefox.part").write_text("of another program")
    os.utime(tmp_path / ".firefox.part", (0, 0))
    write_json(1, tmp_path / "a.txt")
    assert left.exists() == stays
    assert (tmp_path / ".firefox.part").exists()


def test_a_temporary_file_of_another_user_does_not_stop_a_writer(tmp_path, monkeypatch):
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


@pytest.mark.skipif(os.name != "posix", reason="the permissions are those of POSIX")
def test_a_written_file_gets_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with written_whole(tmp_path / "weights") as temporary:
        temporary.touch(mode=0o600)  # as safetensors does
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "usual").stat().st_mode
