"""The answers of the server are those of the model."""

import csv
import io
import json
import zipfile

import httpx
from PIL import Image

import fathomline
from fathomline.predictor.choice import Choice
from fathomline.serve.limits import Limits
from fathomline.serve.service import BATCH
from tests.bundle.world import BOXES
from tests.frames import encoded
from tests.serve.world import BLUE, FISH, GREEN, HOSTILE, KELP, RED, painted, serving

GREY_BOX = [40, 24, 12, 10]


def answers(response: httpx.Response) -> list[dict]:
    assert response.status_code == 200, response.text
    return [answer["answer"] for answer in response.json()["answers"]]


def names(response: httpx.Response) -> list[str]:
    return [answer["concept"] for answer in answers(response)]


def test_the_answers_of_a_bundle_equal_those_in_python(trained, bundle):
    model = fathomline.load(bundle)
    with serving(model, Limits()) as url, httpx.Client(base_url=url) as client:
        for number, boxes in BOXES.items():
            path = trained.raw / f"images/{number}.png"
            expected = model.predict([path], [boxes], choice=Choice(top=2))
            files, data = {"image": (path.name, path.read_bytes())}, {"boxes": json.dumps(boxes), "top": "2"}
            found = client.post("/predict", files=files, data=data).json()["answers"]
            assert [(box["reason"], box["answer"] and known(box["answer"])) for box in found] == [
                (one.reason, (one.name, one.rank, one.aphia_id, one.most_probable) if one.seen else None)
                for one in expected
            ]


def known(answer: dict) -> tuple:
    most_probable = tuple((each["concept"], each["probability"]) for each in answer["most_probable"])
    return answer["concept"], answer["rank"], answer["aphia_id"], most_probable


def test_each_box_has_its_answer_and_probabilities_at_every_rank(served):
    response = served.post(boxes=[RED, BLUE, KELP])
    red, blue, kelp = answers(response)
    assert (red["concept"], red["rank"], red["aphia_id"], blue["concept"]) == ("Redfish", "species", 1, "Bluesponge")
    assert (kelp["concept"], kelp["rank"]) == (HOSTILE, "phylum")
    assert [step["name"] for step in red["lineage"]] == [*FISH, "Redfish"]
    probabilities = [step["probability"] for step in red["lineage"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert red["confidence"] == probabilities[-1]
    assert response.json()["answers"][0]["box"] == RED
    assert (response.json()["width"], response.json()["height"], response.json()["picture"]) == (64, 40, "dive 1.png")


def test_below_a_coarse_answer_the_tree_goes_on_to_a_species(served):
    (answer,) = answers(served.post(boxes=[RED], rank_floor="class"))
    assert (answer["concept"], answer["rank"]) == ("Teleostei", "class")
    assert [step["name"] for step in answer["below"]] == [*FISH[3:], "Redfish"]


def test_without_boxes_the_whole_picture_is_one_box(served):
    response = served.post()
    expected = served.predictor.predict([painted()])[0]
    assert names(response) == [expected.name]
    assert response.json()["answers"][0]["box"] is None


def test_answers_can_be_restricted_for_all_boxes_or_for_each(served):
    assert [answer["concept"] for answer in answers(served.post(boxes=[RED, BLUE], within="Porifera"))] == [
        "Bluesponge"
    ] * 2
    found = answers(served.post(boxes=[RED, BLUE, RED], within=["Porifera", None, "Greenfish"], top="5"))
    assert [answer["concept"] for answer in found] == ["Bluesponge", "Bluesponge", "Greenfish"]
    assert [len(answer["most_probable"]) for answer in found] == [1, 5, 1]
    assert (
        answers(served.post(boxes=[RED], taxa="Greenfish, Porifera", candidates="labels"))[0]["concept"] == "Greenfish"
    )


def test_boxes_refer_to_the_upright_picture(served):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    stored = encoded(painted().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    response = served.post(image=stored, boxes=[RED, GREEN])
    assert names(response) == ["Redfish", "Greenfish"]
    assert (response.json()["width"], response.json()["height"]) == (64, 40)


def test_a_box_outside_the_picture_does_not_stop_the_others(served):
    found = served.post(boxes=[[900, 900, 5, 5], RED, [1, 1, 0, 4]]).json()["answers"]
    assert [answer["answer"] and answer["answer"]["concept"] for answer in found] == [None, "Redfish", None]
    assert found[0]["reason"] == "box lies outside the frame of 64x40 pixels"
    assert "width 0" in found[2]["reason"]


def test_many_boxes_are_predicted_in_order(served):
    boxes = [RED, GREEN, BLUE] * 50
    assert [answer["concept"] for answer in answers(served.post(boxes=boxes))] == [
        "Redfish",
        "Greenfish",
        "Bluesponge",
    ] * 50
    assert max(served.engine.batches) <= BATCH


def test_the_csv_is_that_of_the_command_line(served):
    response = served.post("/answers/csv", boxes=[[900, 900, 5, 5], BLUE, RED], within=[None, None, "Greenfish"])
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="answers.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [(row["path"], row["concept_name"], row["x"]) for row in rows] == [
        ("dive 1.png", "Bluesponge", "44.0"),
        ("dive 1.png", "Greenfish", "4.0"),
    ]


def test_the_answers_are_coco_and_darwin_core_too(served):
    coco = served.post("/answers/coco", boxes=[RED, BLUE]).json()
    categories = {category["id"]: category["name"] for category in coco["categories"]}
    assert [categories[each["category_id"]] for each in coco["annotations"]] == ["Redfish", "Bluesponge"]
    assert [each["bbox"] for each in coco["annotations"]] == [RED, BLUE]
    response = served.post("/answers/dwc", boxes=[RED, BLUE])
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert {"occurrence.txt", "meta.xml", "eml.xml"} <= set(archive.namelist())
        rows = archive.read("occurrence.txt").decode().splitlines()
    assert len(rows) == 3
    assert "Redfish" in rows[1]


def test_a_file_on_the_server_with_the_name_of_the_picture_is_not_read(served, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = "1999:09:09 09:09:09"
    (tmp_path / "dive.jpg").write_bytes(encoded(painted(), "JPEG", exif=exif))
    monkeypatch.chdir(tmp_path)
    response = served.post("/answers/dwc", name="dive.jpg", boxes=[RED])
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert b"1999" not in archive.read("occurrence.txt")


def test_answers_of_unusable_boxes_only_are_no_file(served):
    response = served.post("/answers/csv", boxes=[[900, 900, 5, 5]])
    assert (response.status_code, response.json()["detail"]) == (
        400,
        "No box can be answered: box lies outside the frame of 64x40 pixels.",
    )


def test_the_model_is_described_with_its_tree(served):
    model = served.client.get("/model").json()
    assert (model["name"], model["attribution"], len(model["classes"])) == ("colours", "the tests", 5)
    taxa = {taxon["name"]: taxon for taxon in model["tree"]}
    sebastes = taxa["Sebastes"]
    assert (sebastes["rank"], sebastes["concepts"], [*taxa][sebastes["parent"]]) == ("genus", 3, "Sebastidae")
    assert served.client.get("/health").json() == {"status": "ok"}


def test_the_form_is_described_by_openapi(served):
    described = served.client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    schema = described["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"image", "boxes", "within", "top"} <= set(schema["properties"])
    assert {"200", "400", "413", "415", "429"} <= set(described["responses"])
