"""The lines that stages print when they are done."""

from types import SimpleNamespace

import pytest

from stages.summaries import evaluate_summary


@pytest.mark.parametrize(("mhd", "useless"), [(1.2, False), (3.0, True), (3.5, True)])
def test_a_model_that_is_no_better_than_one_answer_for_all_is_told(mhd, useless):
    decoders = dict.fromkeys(("mhd", "mhd_argmax", "mhd_threshold", "mhd_risk"), mhd)
    metrics = {**decoders, "mhd_constant": 3.0, "mhd_low": 0.5, "mhd_high": 4.0, "rois": 3}
    result = SimpleNamespace(metrics=metrics, rule=SimpleNamespace(transforms=["identity"]))
    said = evaluate_summary(result, "risk", "plain")
    assert said.startswith(f"evaluate: MHD {mhd:.3f} [0.500, 4.000] by risk on 3 held-out ROIs")
    assert said.endswith("train for longer, or on more ROIs") == useless
