import base64
import io

import numpy as np
import pytest
from PIL import Image

from fathomline.report import gallery
from fathomline.report.gallery import confident_mistakes, worst_mistakes


@pytest.fixture
def rows(world):
    return world.results.tables["validation"]


def test_the_worst_mistakes_are_sorted_by_distance_then_confidence(rows, taxonomy, crops, raw):
    mistakes = worst_mistakes(rows, taxonomy, crops, raw)
    keys = [(-mistake.distance, -mistake.confidence) for mistake in mistakes]
    assert keys == sorted(keys)
    assert all(mistake.distance == taxonomy.distance(mistake.truth, mistake.prediction) > 0 for mistake in mistakes)


def test_only_the_three_most_confident_of_equal_mistakes_are_shown(rows, taxonomy, crops, raw):
    same = rows.assign(truth="Porifera", prediction="Gastropoda", distance=3, confidence=np.linspace(0, 1, len(rows)))
    assert [mistake.annotation_id for mistake in worst_mistakes(same, taxonomy, crops, raw)] == [159, 158, 157]


def test_both_galleries_are_limited(rows, taxonomy, crops, raw, monkeypatch):
    monkeypatch.setattr(gallery, "WORST", 2)
    monkeypatch.setattr(gallery, "MOST_CONFIDENT", 3)
    assert len(worst_mistakes(rows, taxonomy, crops, raw)) == 2
    assert len(confident_mistakes(rows, taxonomy, crops, raw)) == 3


def test_an_ancestor_of_the_truth_is_not_a_confident_mistake(rows, taxonomy, crops, raw):
    rows = rows.iloc[:4].assign(
        truth=["Sebastes diploproa", "Sebastes", "Porifera", "Porifera"],
        prediction=["Chordata", "Sebastes diploproa", "Gastropoda", "Porifera"],
        confidence=[0.99, 0.7, 0.8, 1.0],
    )
    assert [mistake.prediction for mistake in confident_mistakes(rows, taxonomy, crops, raw)] == [
        "Gastropoda",
        "Sebastes diploproa",
    ]


@pytest.mark.parametrize(
    ("truth", "prediction", "shared", "truth_branch", "prediction_branch"),
    [
        ("Porifera", "Gastropoda", ("Animalia",), ("Porifera",), ("Mollusca", "Gastropoda")),
        (
            "Sebastes diploproa",
            "Perciformes",
            ("Animalia", "Chordata", "Teleostei", "Perciformes"),
            ("Sebastidae", "Sebastes", "Sebastes diploproa"),
            (),
        ),
        ("<b>Kelp</b> & </script>", "Animalia", (), ("Chromista", "<b>Kelp</b> & </script>"), ("Animalia",)),
    ],
)
def test_lineages_divide_at_the_fork(
    rows, taxonomy, crops, raw, truth, prediction, shared, truth_branch, prediction_branch
):
    row = rows.iloc[:1].assign(truth=truth, prediction=prediction, distance=1)
    (mistake,) = worst_mistakes(row, taxonomy, crops, raw)
    assert mistake.shared == shared
    assert mistake.truth_branch == truth_branch
    assert mistake.prediction_branch == prediction_branch


def test_a_mistake_has_its_scaled_down_picture_and_most_probable_concepts(rows, taxonomy, crops, raw):
    mistake = worst_mistakes(rows, taxonomy, crops, raw)[0]
    head, data = mistake.picture.split(",")
    assert head == "data:image/webp;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (128, 64)
    assert abs(picture.convert("L").getpixel((5, 5)) - (mistake.annotation_id - 100)) <= 3
    row = rows.set_index("annotation_id").loc[mistake.annotation_id]
    assert mistake.most_probable == tuple(
        (row[f"concept_{place}"], row[f"probability_{place}"]) for place in range(1, 6)
    )
    probabilities = [probability for _, probability in mistake.most_probable]
    assert probabilities == sorted(probabilities, reverse=True)


def broken_chunk() -> bytes:
    """A PNG whose second chunk of pixels has an invalid name. Pillow does not raise OSError for it."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(256, size=(300, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    data = bytearray(stream.getvalue())
    second = data.index(b"IDAT", data.index(b"IDAT") + 4)
    data[second : second + 4] = bytes([0, 1, 2, 3])
    return bytes(data)


@pytest.mark.parametrize("content", [None, b"", b"no picture", broken_chunk()], ids=["none", "empty", "text", "chunk"])
def test_a_missing_or_damaged_roi_is_reported_and_the_others_are_shown(rows, taxonomy, own_crops, raw, content, capsys):
    expected = worst_mistakes(rows, taxonomy, own_crops, raw)
    path = own_crops / f"rois/{expected[1].annotation_id - 100}.png"
    path.unlink() if content is None else path.write_bytes(content)
    mistakes = worst_mistakes(rows, taxonomy, own_crops, raw)
    assert mistakes[1].picture is None
    assert [mistake for mistake in mistakes if mistake.picture] == [expected[0], *expected[2:]]
    warned = capsys.readouterr().err
    assert f"1 ROI file(s) cannot be read, the first for annotation {expected[1].annotation_id};" in warned
    assert "dvc repro -f crop" in warned
