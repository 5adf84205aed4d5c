import json
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fathomline.dataset.coco import described_size, parse_coco, read_coco
from fathomline.errors import InputError
from tests.frames import as_json, dataset


@pytest.fixture
def good() -> dict:
    return dataset([{"id": 1, "video_id": "V1"}, {"id": 2, "video_id": "V2"}])


def parsed(content: object, labelled: bool = True):
    return parse_coco(as_json(content), "data.json", labelled=labelled)


def problem(content: object, labelled: bool = True) -> str:
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


def test_decimal_string_ids_become_integers_in_every_section(good):
    text = json.loads(json.dumps(good))
    for section in ("images", "annotations", "categories"):
        for entry in text[section]:
            entry.update({key: str(value) for key, value in entry.items() if key.endswith("id") and key != "video_id"})
    assert parsed(text) == parsed(good)


@pytest.mark.parametrize("identity", ["x", "017", "+1", " 1", "1.0", "", "../../x", 1.0, True, None, [1], 2**63])
def test_an_id_that_is_not_an_integer_is_reported(good, identity):
    message = problem(changed(good, "images", 1, id=identity))
    assert "data.json: 1 `id` values in `images` are neither integers nor decimal strings: images[1] has" in message


def test_a_string_and_an_integer_of_equal_value_are_duplicates(good):
    assert "1 `id` values in `images` are not unique: 1 (2 times)" in problem(changed(good, "images", 1, id="1"))


def test_duplicates_in_every_section_are_counted(good):
    content = changed(good, "annotations", 1, id=100)
    content["categories"].append({"id": 10, "name": "NA"})
    message = problem(content)
    assert "1 `id` values in `annotations` are not unique: 100 (2 times)" in message
    assert "1 `name` values in `categories` are not unique: NA (2 times)" in message


def test_references_to_undefined_ids_are_reported(good):
    content = changed(changed(good, "annotations", 0, image_id=5), "annotations", 1, category_id=8)
    message = problem(content)
    assert "1 annotations have `image_id` values that the JSON does not define: annotation 100 has 5" in message
    assert "1 annotations have `category_id` values that the JSON does not define: annotation 101 has 8" in message


def test_only_a_test_subset_may_lack_labels(good):
    content = changed(good, "annotations", 0, category_id=None)
    del content["annotations"][1]["category_id"]
    assert [annotation["category_id"] for annotation in parsed(content, labelled=False).annotations] == [None, None]
    assert "2 of 2 annotations have no `category_id`, which training requires: annotation 100 has null" in problem(
        content
    )


@pytest.mark.parametrize("name", ["", "  ", None, 3, "a\nb", "a\0b"])
def test_a_category_without_a_readable_name_is_reported(good, name):
    assert "1 categories lack a readable `name`: category 9 has" in problem(changed(good, "categories", 1, name=name))


def test_surrounding_space_is_stripped_from_names(good):
    assert parsed(changed(good, "categories", 0, name=" Pandalus ")).categories[0]["name"] == "Pandalus"


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_empty_missing_and_mistyped_sections_are_reported(good, section):
    assert f"`{section}` is empty" in problem(good | {section: []})
    assert f"`{section}` is a dict, expected a list" in problem(good | {section: {}})
    assert f"1 of 1 entries of `{section}` are not JSON objects: {section}[0]" in problem(good | {section: [3]})
    assert f"`{section}` is missing" in problem({key: value for key, value in good.items() if key != section})


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"a": "\\ud800"}'],
    ids=["empty", "html", "truncated", "not utf-8", "too deep", "an overlong number", "half a surrogate pair"],
)
def test_invalid_json_is_an_input_error(text):
    with pytest.raises(InputError, match=r"^data.json: (not JSON|expected an object)"):
        parse_coco(text, "data.json", labelled=True)


def test_a_json_that_is_not_an_object_is_an_input_error():
    assert problem([1]) == "data.json: expected an object with images, annotations, categories, found a list"


def test_numbers_outside_strict_json_become_strings_for_crop_to_quarantine(good):
    text = as_json(good).replace(b"[1, 2, 5, 6]", b"[NaN, -Infinity, 1e999, 2.5]", 1)
    box = parse_coco(text, "data.json", labelled=True).annotations[0]["bbox"]
    assert box == ["NaN", "-Infinity", "1e999", 2.5]


def test_a_byte_order_mark_is_accepted(good):
    assert parse_coco(b"\xef\xbb\xbf" + as_json(good), "data.json", labelled=True) == parsed(good)


def test_a_missing_or_unreadable_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"none.json: no such file"):
        read_coco(tmp_path / "none.json", labelled=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_coco(tmp_path, labelled=True)


@pytest.mark.parametrize("width", [-1, 0, -1e308, 1e300, 2**31, 1.5, None, "", "nan", [640]])
def test_what_is_no_side_of_a_picture_is_an_unknown_size(width):
    assert described_size({"width": width, "height": 480}) is None
    assert described_size({"width": "640", "height": 480.0}) == (640, 480)


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
def test_any_json_is_either_a_dataset_or_an_input_error(content, labelled):
    try:
        coco = parsed(content, labelled)
    except InputError:
        return
    assert as_json(coco.content())
