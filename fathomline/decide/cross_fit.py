"""Held-out ROIs judged by what was fitted on the others, so that a fold may report on itself."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.decode import Decoder, DecoderName
from fathomline.decide.thresholds import fit_thresholds

PARTS = 5


@dataclass(frozen=True)
class CrossFitting:
    """Groups are dealt in sorted order to five parts (fewer where there are fewer groups). Each part is judged by the
    temperature and the thresholds fitted on the other parts; a single group by none, as nothing is left to fit on.
    """

    logits: np.ndarray
    """(rois, classes)"""
    labels: np.ndarray
    """(rois,) int64, column indices"""
    groups: np.ndarray
    """(rois,), for example the frame of each row"""
    logits_of_parts: tuple[np.ndarray, ...] | None = None
    """For each part, all ROIs as its transforms show them, (rois, classes), where parts differ in their transforms.
    `logits` then has the rows of each part from its own. None: all parts have the same."""

    @cached_property
    def parts(self) -> np.ndarray:
        """(rois,) int64, from 0 to 4, or to the number of groups less one."""
        return parts_of(self.groups)

    @cached_property
    def temperatures(self) -> np.ndarray:
        """(parts,) float64, the temperature of each part, fitted on the others."""
        rests = [self.parts != part for part in range(self.parts.max() + 1)]
        return np.array(
            [fit_temperature(self._shown_to(part)[rest], self.labels[rest]) for part, rest in enumerate(rests)]
        )

    def _shown_to(self, part: int) -> np.ndarray:
        return self.logits if self.logits_of_parts is None else self.logits_of_parts[part]

    def probabilities(self, calibrate: bool) -> np.ndarray:
        """(rois, classes) float64; as the model gives them, or at the temperature of each row's part."""
        return self._calibrated if calibrate else self._raw

    @cached_property
    def _raw(self) -> np.ndarray:
        return probabilities(self.logits)

    @cached_property
    def _calibrated(self) -> np.ndarray:
        return probabilities(self.logits, self.temperatures[self.parts])

    def decode(
        self, name: DecoderName, decoder: Decoder, *, calibrate: bool, fit: bool, view: np.ndarray | None = None
    ) -> np.ndarray:
        """Answers, (rois,) nodes.

        Args: fit, whether the decoder `threshold` takes thresholds fitted on the other parts; view (rois, classes),
            logits of another view of the same ROIs, to be judged by what these logits ask for.
        """
        judged = self.probabilities(calibrate)
        if view is not None:
            judged = probabilities(view, self.temperatures[self.parts] if calibrate else 1.0)
        if name != "threshold" or not fit:
            return decoder.decode(name, judged)
        answers = np.empty(len(judged), dtype=np.int64)
        truth = decoder.class_nodes[self.labels]
        for part, temperature in enumerate(self.temperatures if calibrate else np.ones(self.parts.max() + 1)):
            rest = self.parts != part
            fitted = fit_thresholds(decoder, probabilities(self._shown_to(part)[rest], temperature), truth[rest])
            answers[~rest] = replace(decoder, thresholds=fitted).threshold(judged[~rest])
        return answers


def parts_of(groups: np.ndarray) -> np.ndarray:
    """(rois,) int64: which of up to five parts the group of each ROI belongs to."""
    return np.unique(groups, return_inverse=True)[1] % PARTS
