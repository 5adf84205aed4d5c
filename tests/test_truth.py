"""The truth of the reef, which the demo can score its submission against."""

import pandas as pd
import pytest
import yaml

from reef.reef import Reef
from stages import run, truth


@pytest.fixture
def write_truth(tmp_path, monkeypatch):
    """Run the script in a folder whose params.yaml has this `source`; return the exit status."""

    def write(**source) -> int:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump({"source": source}))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["truth", "truth.csv"])
        try:
            run(truth.main)
        except SystemExit as stopped:
            return stopped.code
        return 0

    return write


def test_the_truth_has_the_names_of_the_test_animals_of_params_yaml(write_truth, tmp_path, capsys):
    assert write_truth(reef_frames=40, reef_seed=3) == 0
    labels = Reef(40, 3).labels("test")
    table = pd.read_csv(tmp_path / "truth.csv")
    assert list(table.columns) == ["annotation_id", "concept_name"]
    assert dict(zip(table["annotation_id"], table["concept_name"], strict=True)) == labels
    assert capsys.readouterr().out == f"truth: the names of {len(labels)} test animals in truth.csv\n"


def test_the_truth_of_other_data_is_not_known(write_truth, tmp_path, capsys):
    assert write_truth(name="coco", train="a.json", test="b.json") == 1
    assert "params.yaml: source.name is coco, expected reef: the truth of other" in capsys.readouterr().err
    assert not (tmp_path / "truth.csv").exists()


def test_a_truth_of_other_content_is_not_replaced_and_the_same_one_may_be_written_again(write_truth, tmp_path, capsys):
    assert write_truth(reef_frames=8) == 0
    assert write_truth(reef_frames=8) == 0
    before = (tmp_path / "truth.csv").read_bytes()
    assert write_truth(reef_frames=40) == 1
    assert "truth.csv: exists and has other content; delete it, or choose another name" in capsys.readouterr().err
    assert (tmp_path / "truth.csv").read_bytes() == before
