import numpy as np
import pandas as pd
import pytest

from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.cross_fit import CrossFitting, parts_of
from fathomline.decide.decode import Decoder
from fathomline.decide.evaluate import EvaluateConfig, evaluate
from fathomline.decide.transform_choice import choose_transforms, cross_fitted
from fathomline.errors import InputError
from fathomline.taxonomy.ranks import RANKS
from tests.decide.conftest import CLASSES, THRESHOLDS

HALF = dict(zip(map(str, RANKS), [0.5] * 7, strict=True))


@pytest.fixture
def decoder(taxonomy) -> Decoder:
    return Decoder(taxonomy, CLASSES, "tree", THRESHOLDS)


def stored(rois: int, noise: dict[str, float], seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Logits of each set of transforms with its own level of `noise`, labels, and groups of three ROIs."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(6, size=rois)
    options = {name: 3 * np.eye(6)[labels] + generator.normal(scale=sd, size=(rois, 6)) for name, sd in noise.items()}
    return options, labels, np.arange(rois) // 3


def test_auto_chooses_the_set_with_the_least_mhd_and_the_smallest_on_a_tie(decoder):
    options, labels, groups = stored(300, {"none": 3.0, "flips": 1.0, "turns": 2.0})
    settings = {"decoder": decoder, "name": "risk", "calibrate": True}
    chosen = choose_transforms("auto", options, labels, groups, **settings)
    assert chosen.for_new_rois == "flips"
    assert set(chosen.of_parts) == {"flips"}
    assert len(chosen.of_parts) == 5
    equal = {"none": options["flips"], "turns": options["flips"]}
    assert choose_transforms("auto", equal, labels, groups, **settings).for_new_rois == "none"
    requested = choose_transforms("turns", options, labels, groups, **settings)
    assert (requested.for_new_rois, set(requested.of_parts)) == ("turns", {"turns"})


def test_the_transforms_of_each_part_are_chosen_on_the_other_parts(decoder):
    differing = 0
    for seed in range(12):
        options, labels, groups = stored(45, {"none": 2.0, "flips": 2.0, "turns": 2.0}, seed)
        parts, truth = parts_of(groups), decoder.class_nodes[labels]

        def mhd(name, rows, options=options, labels=labels, truth=truth):
            temperature = fit_temperature(options[name][rows], labels[rows])
            answers = decoder.risk(probabilities(options[name][rows], temperature))
            return decoder.taxonomy.row_distances(truth[rows], answers).mean()

        chosen = choose_transforms("auto", options, labels, groups, decoder, "risk", calibrate=True)
        for part, name in enumerate(chosen.of_parts):
            assert name == min(options, key=lambda option, rest=parts != part: mhd(option, rest))
            differing += name != chosen.for_new_rois
    assert differing, "choosing on all ROIs would give the same sets, so this test proves nothing"


def test_each_part_has_its_own_transforms_and_is_calibrated_on_the_others(decoder):
    options, labels, groups = stored(60, {"none": 1.0, "turns": 2.0})
    of_parts = ("none", "turns", "none", "turns", "turns")
    held_out = cross_fitted(options, labels, groups, of_parts)
    for part, name in enumerate(of_parts):
        mine = held_out.parts == part
        temperature = fit_temperature(options[name][~mine], labels[~mine])
        assert held_out.temperatures[part] == temperature
        assert held_out.probabilities(True)[mine] == pytest.approx(probabilities(options[name][mine], temperature))
        alone = CrossFitting(options[name], labels, groups)
        fitted = {"calibrate": True, "fit": True}
        answers = held_out.decode("threshold", decoder, **fitted)
        assert (answers[mine] == alone.decode("threshold", decoder, **fitted)[mine]).all()


def test_a_set_that_was_not_stored_is_refused_with_the_parameter_that_stores_it(decoder):
    options, labels, groups = stored(30, {"none": 1.0})
    with pytest.raises(InputError, match=r"test_time_augmentation is 'turns', but predict.transforms stored only none"):
        choose_transforms("turns", options, labels, groups, decoder, "risk", calibrate=True)


def test_decoders_csv_has_every_stored_set_and_the_rule_has_the_orientations(taxonomy):
    options, labels, groups = stored(120, {"none": 3.0, "mirror": 1.0, "flips": 2.0})
    rows = np.arange(120)
    annotations = pd.DataFrame({"annotation_id": rows, "image_id": groups, "group": groups})
    annotations["label"] = np.array(CLASSES)[labels]
    config = EvaluateConfig("risk", True, HALF, False, "auto")
    result = evaluate({"plain": options}, "plain", annotations, CLASSES, taxonomy, config, "tree")
    assert result.rule.transforms == ["identity", "flip_left_right"]
    table = result.tables["decoders"]
    assert table["transforms"].tolist() == ["auto"] * 14 + ["none", "mirror", "flips"]
    of_sets = table.iloc[14:].set_index("transforms")
    assert set(of_sets["decoder"]) == {"risk"}
    assert of_sets["mhd"].idxmin() == "mirror"
    decoder = Decoder(taxonomy, CLASSES, "tree", HALF)
    for name, logits in options.items():
        alone = CrossFitting(logits, labels, groups)
        answers = alone.decode("risk", decoder, calibrate=True, fit=False)
        distances = taxonomy.row_distances(decoder.class_nodes[labels], answers)
        assert of_sets.loc[name, "mhd"] == distances.mean()
    auto = table.query("transforms == 'auto' and decoder == 'risk' and candidates == 'tree' and calibrated")
    assert result.metrics["mhd"] == auto["mhd"].item()
