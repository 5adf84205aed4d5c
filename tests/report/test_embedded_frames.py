import base64
import io

import numpy as np
import pytest
from PIL import Image

from fathomline.dataset.image_file import EXIF_ORIENTATION, TO_STORED, TO_UPRIGHT
from fathomline.report import embedded_frames
from fathomline.report.embedded_frames import EmbeddedFrame, embed_frames, turned_box
from fathomline.report.raw_subset import RawSubset
from tests.report.conftest import raw_subset


def decoded(frame: EmbeddedFrame) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(frame.picture.split(",")[1]))).convert("RGB")


def with_mark(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """A black picture with a white box."""
    picture = Image.new("RGB", size)
    picture.paste((255, 255, 255), (box[0], box[1], box[0] + box[2], box[1] + box[3]))
    return picture


def brightness_in(picture: Image.Image, box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Mean brightness inside and outside of a box given as shares."""
    pixels = np.asarray(picture.convert("L"), dtype=float)
    height, width = pixels.shape
    left, top, right, bottom = box[0] * width, box[1] * height, (box[0] + box[2]) * width, (box[1] + box[3]) * height
    inside = np.zeros(pixels.shape, dtype=bool)
    inside[round(top) : round(bottom), round(left) : round(right)] = True
    return pixels[inside].mean(), pixels[~inside].mean()


def subset_of(folder, picture: Image.Image, orientation: int, stated: tuple[int, int] | None) -> RawSubset:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    (folder / "images").mkdir()
    picture.save(folder / "images/1.png", exif=exif)
    return raw_subset(folder, [{"id": 1} | (dict(zip(("width", "height"), stated, strict=True)) if stated else {})])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ignored", [True, False], ids=["boxes of the stored picture", "boxes of the upright picture"])
def test_the_box_lies_on_the_animal_in_the_upright_frame(tmp_path, orientation, ignored):
    box = (8, 12, 20, 16)
    if ignored:  # the annotation tool showed the stored pixels and gave their size
        stored = with_mark((80, 48), box)
        raw, size = subset_of(tmp_path, stored, orientation, stored.size), stored.size
    else:
        turn = TO_UPRIGHT.get(orientation)
        upright = with_mark((80, 48), box)
        stored = upright.transpose(TO_STORED[turn]) if turn is not None else upright
        raw, size = subset_of(tmp_path, stored, orientation, None), upright.size
    frame = embed_frames([1], raw).embedded[1]
    share = (box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1])
    inside, outside = brightness_in(decoded(frame), frame.box(share))
    assert inside > 230
    assert outside < 25


@pytest.mark.parametrize("turn", [None, *Image.Transpose])
def test_a_turned_box_is_the_box_in_the_turned_picture(turn):
    picture = with_mark((80, 48), (8, 12, 20, 16))
    turned = picture if turn is None else picture.transpose(turn)
    assert brightness_in(turned, turned_box((0.1, 0.25, 0.25, 1 / 3), turn)) == (255, 0)


def test_a_large_frame_is_scaled_down_and_a_small_one_is_not(tmp_path):
    raw = subset_of(tmp_path, Image.new("RGB", (1600, 900)), 1, None)
    assert decoded(embed_frames([1], raw).embedded[1]).size == (640, 360)
    Image.new("RGB", (40, 90)).save(tmp_path / "images/1.png")
    assert decoded(embed_frames([1], raw).embedded[1]).size == (40, 90)


def test_frames_are_embedded_in_the_given_order_until_the_budget_is_used_up(raw, monkeypatch):
    size = len(embed_frames([3], raw).embedded[3].picture)
    monkeypatch.setattr(embedded_frames, "BUDGET", 2 * size + size // 2)
    found = embed_frames([3, 1, 3, 2, 1, 0], raw)
    assert (list(found.embedded), found.left_out, found.unreadable) == ([3, 1], {2, 0}, set())


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_a_missing_or_damaged_frame_is_reported_and_the_others_are_embedded(own_raw, content, capsys):
    path = own_raw.frame_path(4)
    path.unlink() if content is None else path.write_bytes(content)
    found = embed_frames([3, 4, 99], own_raw)
    assert (list(found.embedded), found.unreadable) == ([3], {4, 99})
    warned = capsys.readouterr().err
    assert "2 frame(s) cannot be read, the first of image 4" in warned
    assert "dvc repro --force download" in warned
