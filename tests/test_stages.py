"""What a stage says when something stops it."""

import errno

import pytest
import yaml

from fathomline.errors import InputError
from fathomline.files import write_json
from stages import PATIENCE, params_text, run


@pytest.fixture
def stopped_by(capsys):
    """Runs a stage that raises an error; gives its exit status and what it wrote to standard error."""

    def stop(error: BaseException) -> tuple[object, str]:
        def stage() -> None:
            raise error

        with pytest.raises(SystemExit) as stopped:
            run(stage)
        return stopped.value.code, capsys.readouterr().err

    return stop


def test_a_user_error_is_reported_without_a_traceback(stopped_by):
    said = stopped_by(InputError("params.yaml: train.lr is missing"))
    assert said == (1, "error: params.yaml: train.lr is missing\n")


def test_a_name_from_a_file_cannot_command_the_terminal(stopped_by):
    said = stopped_by(InputError("a.csv: '\x1b]0;owned\x07\x9b2J' is new\nb.csv: fine"))
    assert said == (1, "error: a.csv: '\\x1b]0;owned\\x07\\x9b2J' is new\nb.csv: fine\n")


@pytest.mark.parametrize(("rank", "local_rank", "waits"), [(0, 0, 0), (1, 1, 2), (4, 0, 1)])
def test_of_several_processes_the_first_one_tells_and_the_others_wait_for_it(
    stopped_by, monkeypatch, rank, local_rank, waits
):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))
    assert stopped_by(InputError("train.lr is missing")) == (1, "error: train.lr is missing\n")
    assert waited == [waits * PATIENCE]


def test_a_disk_that_is_full_is_told_with_the_file(stopped_by):
    message = stopped_by(OSError(errno.ENOSPC, "No space left on device", "data/split.csv"))[1]
    assert message.startswith("error: data/split.csv: No space left on device. Correct the cause")


def test_an_interruption_ends_the_way_a_shell_expects(stopped_by):
    assert stopped_by(KeyboardInterrupt()) == (130, "")


def test_a_fault_of_the_code_keeps_its_traceback():
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(broken)


def test_a_write_that_names_no_file_gets_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space left") as raised:
        write_json({}, tmp_path / "metrics.json")
    assert raised.value.filename == str(tmp_path / "metrics.json")
    assert not list(tmp_path.iterdir())


def test_of_absolute_paths_a_report_is_told_the_last_part_only(tmp_path, monkeypatch):
    params = {"train": {"pretrained": "/home/jane/secret/weights.safetensors", "lr": 0.1}, "crop": {"views": [1.0]}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"source": {"train": "/data/mine.json"}}))
    monkeypatch.chdir(tmp_path)
    told = yaml.safe_load(params_text("crop", "train", "evaluate"))
    assert told == {"crop": {"views": [1.0]}, "train": {"pretrained": "…/weights.safetensors", "lr": 0.1}}
