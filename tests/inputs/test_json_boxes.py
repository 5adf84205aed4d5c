"""Any JSON is read or refused, whatever it holds."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from fathomline.errors import InputError
from fathomline.inputs.json_boxes import json_rows

KEYS = ["images", "annotations", "id", "image_id", "file_name", "coco_url", "bbox", "track_id", "attributes", "width"]
KEYS += ["height", "file", "detections", "detection_categories", "category", "failure", "frame_rate"]

leaves = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3) | st.sampled_from(["1", ".."])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
entries = st.lists(st.dictionaries(st.sampled_from(KEYS[2:]), values, max_size=5), max_size=3)
ids = st.integers(0, 3)
images = st.lists(st.fixed_dictionaries({"id": ids}, optional=dict.fromkeys(KEYS[3:], values)), max_size=3)
annotations = st.lists(
    st.fixed_dictionaries({"image_id": ids}, optional={"id": values, "bbox": values, "track_id": values})
)
documents = st.one_of(
    values,
    st.fixed_dictionaries({"images": images | entries}, optional={"annotations": annotations | entries | values}),
    st.fixed_dictionaries({"images": entries, "detection_categories": values}),
)


@settings(max_examples=150, deadline=None)
@given(documents)
def test_any_json_is_rows_or_one_error(tmp_path_factory, document):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(document))
    try:
        rows = json_rows(path, None)
    except InputError:
        return
    assert all(row.reason or row.picture.location for row in rows)
