"""A frame shows what its annotations say."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reef.forms import FORMS, forms_of
from reef.frame import render
from reef.scene import compose
from reef.taxa import CONCEPTS, by_name

SEED = 9


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)), dtype=int)


def change(scene, image_id):
    """The largest difference of each pixel's channels from the same frame without organisms, (360, 640)."""
    full = pixels(render(scene, SEED, "train", image_id))
    empty = pixels(render(replace(scene, individuals=()), SEED, "train", image_id))
    return np.abs(full - empty).max(axis=2)


def test_a_frame_is_a_small_colour_png_of_640_by_360(reef):
    png = reef.frame("train", 1)
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (640, 360))
    assert len(png) < 400_000


@pytest.mark.parametrize("image_id", [1, 2, 3, 4, 5])
def test_each_box_fits_its_organism(image_id):
    scene = compose(SEED, "train", image_id)
    for individual in scene.individuals:
        # A shadow would change pixels outside the box, so the organism swims here.
        body = replace(individual.body, grounded=False, blur=0.3, distance=0.1)
        alone = replace(scene, individuals=(replace(individual, body=body),))
        rows, columns = np.nonzero(change(alone, image_id) > 8)
        left, top, width, height = individual.body.box
        slack = 4 + 0.06 * max(width, height)
        assert columns.min() == pytest.approx(left, abs=slack)
        assert rows.min() == pytest.approx(top, abs=slack)
        assert columns.max() + 1 == pytest.approx(left + width, abs=slack)
        assert rows.max() + 1 == pytest.approx(top + height, abs=slack)


def test_organisms_change_no_pixel_far_from_their_boxes():
    scene = compose(SEED, "train", 4)
    changed = change(scene, 4)
    for individual in scene.individuals:
        left, top, width, height = individual.body.box
        changed[
            max(top - height // 2 - 6, 0) : top + height + height // 2 + 6,
            max(left - width // 4 - 6, 0) : left + width + width // 4 + 6,
        ] = 0
    assert changed.max() == 0


def test_every_concept_has_a_form_and_a_clade_has_more_forms_than_its_members():
    for concept in CONCEPTS:
        assert forms_of(concept)
    assert set(forms_of("Scotoplanes globosa")) < set(forms_of("Scotoplanes")) < set(forms_of("Holothuroidea"))
    assert set(forms_of("Sebastes diploproa")) < set(forms_of("Sebastes")) < set(forms_of("Actinopterygii"))


def test_every_form_belongs_to_a_concept():
    for form in FORMS:
        assert {taxon.name for taxon in by_name()[form.clade].path} & set(CONCEPTS)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.clade)
def test_two_individuals_of_a_form_differ(form):
    one, other = (form.plan(np.random.default_rng(seed)) for seed in (1, 2))
    assert [part.colour for part in one] != [part.colour for part in other]
    assert all(np.isfinite(part.outline).all() and len(part.outline) == len(part.ridge) for part in one)
