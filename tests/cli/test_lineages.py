"""`fathomline lineages`."""

import json

import pytest

from fathomline.cli import main
from fathomline.lineages.lineage_table import read_lineage_table
from tests.lineages.conftest import stand_in  # noqa: F401


@pytest.fixture
def coco(tmp_path):
    """Write a COCO JSON with an annotation of each name, and one category without annotations."""

    def write(*names: str) -> str:
        categories = [{"id": number, "name": name} for number, name in enumerate(["creatures", *names])]
        annotations = [
            {"id": number, "image_id": 1, "category_id": number, "bbox": [1, 2, 3, 4]}
            for number, _ in enumerate(names, start=1)
        ]
        path = tmp_path / "train.json"
        content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": annotations, "categories": categories}
        path.write_text(json.dumps(content))
        return str(path)

    return write


def test_the_categories_with_annotations_are_written_as_taxonomy_lineages_reads_them(
    coco, capfdbinary, tmp_path, stand_in, monkeypatch
):
    monkeypatch.setattr("fathomnet.api.worms.Worms.ROOT", stand_in.url)
    assert main(["lineages", coco("Gastropoda", "Sebastes ruberrimus")]) == 0
    out, err = capfdbinary.readouterr()
    assert out.decode("ascii").splitlines() == [
        "concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species",
        "Gastropoda,,class,Animalia,Mollusca,Gastropoda,,,,",
        f"Sebastes ruberrimus,{stand_in.nodes['Sebastes ruberrimus']['aphiaId']},species,Animalia,Chordata,Teleostei,"
        "Perciformes,Sebastidae,Sebastes,Sebastes ruberrimus",
    ]
    assert err == b""
    path = tmp_path / "lineages.csv"
    path.write_bytes(out)
    assert list(read_lineage_table(path)) == ["Gastropoda", "Sebastes ruberrimus"]


def test_unknown_concepts_have_a_row_to_fill_in_and_are_listed_with_suggestions(coco, capsys):
    assert main(["lineages", "--offline", coco("Gastropoda", "Pandalus amplu", "Qwxyz")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[2:] == ["Pandalus amplu,,,,,,,,,", "Qwxyz,,,,,,,,,"]
    assert "2 of 3 concepts are unknown, and their rows are left to fill in: 'Pandalus amplu' (nearest: Pandalus" in err
    assert err.rstrip().endswith("'Qwxyz'")


def test_a_table_with_other_letters_is_marked_for_excel_and_can_be_read_and_used_again(tmp_path, capfdbinary):
    rois = tmp_path / "rois.csv"
    rois.write_text("path;label\na.png;Ægla\nb.png;Gastropoda\n", encoding="utf-8")
    lineages = tmp_path / "mine.csv"
    main(["lineages", "--offline", str(rois)])
    lineages.write_bytes(capfdbinary.readouterr().out)
    assert lineages.read_bytes().startswith("\ufeffconcept_name".encode())
    filled = lineages.read_text("utf-8-sig").replace("Ægla,,,,,", "Ægla,7,genus,Animalia,Arthropoda,", 1)
    lineages.write_text(filled.replace("Arthropoda,,,,", "Arthropoda,,,,Ægla,"), encoding="utf-8")
    assert main(["lineages", "--offline", "--lineages", str(lineages), str(rois)]) == 0
    out, err = capfdbinary.readouterr()
    assert "Ægla,7,genus,Animalia,Arthropoda,,,,Ægla," in out.decode("utf-8-sig").splitlines()
    assert err == b""


def test_a_folder_per_concept_and_an_export_with_its_frames_are_sources_too(coco, tmp_path, capsys):
    for name in ("Gastropoda", "Porifera"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.JPG").touch()
    assert main(["lineages", "--offline", str(tmp_path / "photos")]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["Gastropoda", "Porifera"]
    coco("Caridea")
    assert main(["lineages", "--offline", str(tmp_path)]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["Caridea"]


def test_neither_boxes_nor_frames_are_looked_at(tmp_path, capsys):
    path = tmp_path / "squidle.csv"
    path.write_text(
        "label.name,point.x,point.y,point.polygon,point.media.path_best\n"
        'Porifera,0.5,0.5,"[[-0.1, -0.1], [0.1, 0.1]]",https://x.org/a.png\n'
    )
    assert main(["lineages", "--offline", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("Porifera,")


def test_a_hidden_json_of_macos_does_not_turn_class_folders_into_an_export(tmp_path, capsys):
    (tmp_path / "Gastropoda").mkdir()
    (tmp_path / "Gastropoda" / "a.jpg").touch()
    (tmp_path / "._annotations.json").touch()
    assert main(["lineages", "--offline", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("Gastropoda,")


def test_a_source_that_cannot_be_read_is_refused(tmp_path, capsys):
    assert main(["lineages", "--offline", str(tmp_path / "none.json")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "none.json: no such file; expected a COCO JSON" in err
    assert main(["lineages", "--offline", "https://x.org/train.json"]) == 1
    assert "https://x.org/train.json: expected a local file; download it" in capsys.readouterr().err


def test_without_the_package_for_worms_the_extra_to_install_is_named(coco, monkeypatch, capsys):
    monkeypatch.setattr("fathomline.cli.lineages.NEEDED", ("no_such_package",))
    assert main(["lineages", coco("Caridea")]) == 1
    assert "lineages needs no_such_package: `pip install 'fathomline[pipeline]'`" in capsys.readouterr().err
