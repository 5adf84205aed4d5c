import numpy as np
import pytest
import torch
from PIL import Image

from fathomline.model.orientations import ORIENTATION_SETS, ORIENTATIONS
from fathomline.model.transforms import oriented


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_an_orientation_matches_pillows_transpose_of_the_same_name(name):
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
    expected = Image.fromarray(picture)
    if name != "identity":
        expected = expected.transpose(Image.Transpose[name.upper()])
    result = oriented(torch.from_numpy(picture)[None, None], ORIENTATIONS[name])[0, 0]
    assert result.tolist() == np.asarray(expected).tolist()


@pytest.mark.parametrize("name", ORIENTATION_SETS)
def test_a_set_is_closed_under_composition(name):
    picture = torch.arange(16).reshape(4, 4)
    results = {str(oriented(picture, ORIENTATIONS[one]).tolist()) for one in ORIENTATION_SETS[name]}
    assert len(results) == len(ORIENTATION_SETS[name])
    for one in ORIENTATION_SETS[name]:
        for other in ORIENTATION_SETS[name]:
            assert str(oriented(oriented(picture, ORIENTATIONS[one]), ORIENTATIONS[other]).tolist()) in results
