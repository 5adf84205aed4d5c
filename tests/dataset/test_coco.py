import json
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fathomline.dataset.coco import parse_coco, read_coco
from fathomline.errors import InputError
from tests.frames import as_json, dataset


@pytest.fixture
def good() -> dict:
    return dataset([{"id": 1, "video_id": "V1"}, {"id": 2, "video_id": "V2"}])


def parsed(content: object, labelled: bool = True):
    return parse_coco(as_json(content), "data.json", labelled=labelled)


def fault(content: object, labelled: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        parsed(content, labelled)
    return str(caught.value)


def changed(good: dict, section: str, place: int, **fields) -> dict:
    content = deepcopy(good)
    content[section][place].update(fields)
    return content


def test_extra_fields_of_images_are_kept_and_of_annotations_dropped(good):
    coco = parsed(changed(good, "annotations", 0, segmentation=[[1, 2]], area=3))
    assert coco.images[0] == {"id": 1, "video_id": "V1"}
    assert coco.annotations[0] == {"id": 100, "image_id": 1, "category_id": 7, "bbox": [1, 2, 5, 6]}
    assert coco.categories == [{"id": 7, "name": "Pandalus"}, {"id": 9, "name": "NA"}]


def test_decimal_strings_become_integers_wherever_an_id_stands(good):
    text = json.loads(json.dumps(good))
    for section in ("images", "annotations", "categories"):
        for entry in text[section]:
            entry.update({key: str(value) for key, value in entry.items() if key.endswith("id") and key != "video_id"})
    assert parsed(text) == parsed(good)


@pytest.mark.parametrize("identity", ["x", "017", "+1", " 1", "1.0", "", "../../x", 1.0, True, None, [1], 2**63])
def test_an_id_that_is_no_integer_is_named(good, identity):
    message = fault(changed(good, "images", 1, id=identity))
    assert "data.json: 1 `id` of `images` are neither integers nor decimal strings: images[1] has" in message


def test_the_string_and_the_integer_of_one_number_are_duplicates(good):
    assert "1 `id` of `images` are not unique: 1 (2 times)" in fault(changed(good, "images", 1, id="1"))


def test_duplicates_are_counted_in_every_section(good):
    content = changed(good, "annotations", 1, id=100)
    content["categories"].append({"id": 10, "name": "NA"})
    message = fault(content)
    assert "1 `id` of `annotations` are not unique: 100 (2 times)" in message
    assert "1 `name` of `categories` are not unique: NA (2 times)" in message


def test_references_that_lead_nowhere_are_named(good):
    content = changed(changed(good, "annotations", 0, image_id=5), "annotations", 1, category_id=8)
    message = fault(content)
    assert "1 annotations have a `image_id` that the JSON does not define: annotation 100 has 5" in message
    assert "1 annotations have a `category_id` that the JSON does not define: annotation 101 has 8" in message


def test_a_missing_label_is_fine_for_a_test_subset_only(good):
    content = changed(good, "annotations", 0, category_id=None)
    del content["annotations"][1]["category_id"]
    assert [annotation["category_id"] for annotation in parsed(content, labelled=False).annotations] == [None, None]
    assert "2 of 2 annotations have no `category_id`, and training needs one for each" in fault(content)


@pytest.mark.parametrize("name", ["", "  ", None, 3, "a\nb", "a\0b"])
def test_a_category_without_a_readable_name_is_named(good, name):
    assert "1 categories lack a readable `name`: category 9 has" in fault(changed(good, "categories", 1, name=name))


def test_names_are_stripped_of_surrounding_space(good):
    assert parsed(changed(good, "categories", 0, name=" Pandalus ")).categories[0]["name"] == "Pandalus"


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_empty_missing_and_mistyped_sections_are_named(good, section):
    assert f"`{section}` is empty" in fault(good | {section: []})
    assert f"`{section}` is a dict, expected a list" in fault(good | {section: {}})
    assert f"1 of `{section}` are not JSON objects: {section}[0]" in fault(good | {section: [3]})
    assert f"`{section}` is missing" in fault({key: value for key, value in good.items() if key != section})


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"a": "\\ud800"}'],
    ids=["empty", "html", "torn", "not utf-8", "too deep", "too long a number", "half a surrogate pair"],
)
def test_what_is_not_json_is_an_error_of_the_input(text):
    with pytest.raises(InputError, match=r"^data.json: (not JSON|expected an object)"):
        parse_coco(text, "data.json", labelled=True)


def test_json_of_another_kind_is_an_error_of_the_input():
    assert fault([1]) == "data.json: expected an object with images, annotations, categories, found a list"


def test_numbers_that_json_lacks_reach_the_quarantine_of_crop(good):
    text = as_json(good).replace(b"[1, 2, 5, 6]", b"[NaN, -Infinity, 1e999, 2.5]", 1)
    box = parse_coco(text, "data.json", labelled=True).annotations[0]["bbox"]
    assert box == ["NaN", "-Infinity", "1e999", 2.5]


def test_a_byte_order_mark_is_no_fault(good):
    assert parse_coco(b"\xef\xbb\xbf" + as_json(good), "data.json", labelled=True) == parsed(good)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.json: no such file"):
        read_coco(tmp_path / "none.json", labelled=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_coco(tmp_path, labelled=True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "x", "7", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "image_id", "category_id", "name", "bbox"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["images", "annotations", "categories"]), anything), st.booleans())
def test_any_json_is_a_dataset_or_an_error_of_the_input(content, labelled):
    try:
        coco = parsed(content, labelled)
    except InputError:
        return
    assert as_json(coco.content())
