import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from fathomline.decide.calibrate import fit_temperature, negative_log_likelihood, probabilities


def drawn(temperature: float, rois: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits multiplied by `temperature`, and labels drawn from the probabilities of the original logits."""
    generator = np.random.default_rng(0)
    original = generator.normal(size=(rois, 5)) * 2
    labels = np.array([generator.choice(5, p=row) for row in probabilities(original)])
    return original * temperature, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_fitting_recovers_the_temperature_that_scaled_the_logits(temperature):
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.1)


def test_the_fitted_temperature_never_lowers_the_likelihood():
    logits, labels = drawn(1.0, rois=30)
    assert negative_log_likelihood(logits, labels, fit_temperature(logits, labels)) <= negative_log_likelihood(
        logits, labels
    )


def test_a_few_correctly_classified_rois_do_not_drive_the_temperature_to_its_bound():
    logits, labels = np.eye(5)[np.arange(20) % 5] * 6.0, np.arange(20) % 5
    temperature = fit_temperature(logits, labels)
    assert 0.3 < temperature < 1.0
    assert negative_log_likelihood(logits, labels, temperature) < negative_log_likelihood(logits, labels)


def test_without_rows_the_temperature_is_one():
    assert fit_temperature(np.zeros((0, 5)), np.zeros(0, dtype=int)) == 1.0


def test_the_likelihood_is_a_mean_of_natural_logarithms_in_double_precision():
    logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5]])).astype(np.float32)
    assert negative_log_likelihood(logits, np.array([0, 1])) == pytest.approx((np.log(4) + np.log(2)) / 2, abs=1e-7)
    assert probabilities(np.array([[30.0, 0.0]], dtype=np.float32)).dtype == np.float64


def test_the_prior_weighs_as_much_as_one_row():
    logits, labels = drawn(4.0, rois=300)
    without = minimize_scalar(lambda t: negative_log_likelihood(logits, labels, t), bounds=(1, 9), method="bounded").x
    found = fit_temperature(logits, labels)
    slope = 1e-4

    def penalised(t: float) -> float:
        return negative_log_likelihood(logits, labels, t) + np.log(t) ** 2 / 600

    assert found < without
    assert penalised(found) <= min(penalised(found - slope * 30), penalised(found + slope * 30))


def test_rows_of_probabilities_sum_to_one_at_any_temperature():
    logits = np.array([[1000.0, 0.0], [0.0, 1.0]])
    assert probabilities(logits, np.array([0.05, 20.0])).sum(axis=1) == pytest.approx([1, 1])
