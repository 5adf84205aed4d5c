"""The PNG encoder writes files that Pillow reads."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from reef.png import encode

SIDES = st.integers(1, 9)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(SIDES, SIDES, st.just(3))))
def test_a_decoded_png_equals_the_picture(picture):
    image = Image.open(io.BytesIO(encode(picture)))
    assert image.mode == "RGB"
    assert (np.asarray(image) == picture).all()


def test_a_damaged_png_fails_its_checksum():
    damaged = bytearray(encode(np.full((4, 4, 3), 7, dtype=np.uint8)))
    damaged[45] ^= 1
    with pytest.raises((OSError, SyntaxError)):
        Image.open(io.BytesIO(bytes(damaged))).load()
