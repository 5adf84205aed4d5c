"""Cross-fitting: measure each held-out ROI with settings that were fitted on other groups."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.decode import Decoder, DecoderName
from fathomline.decide.thresholds import fit_thresholds

PARTS = 5


@dataclass(frozen=True)
class CrossFitting:
    """Held-out ROIs in five parts, or fewer if there are fewer groups.

    Groups are dealt to the parts in sorted order. The temperature and the thresholds for each part are fitted on the
    other parts. A single group leaves nothing to fit on: its temperature is 1, and its thresholds are not fitted.
    """

    logits: np.ndarray
    """(rois, classes)"""
    labels: np.ndarray
    """(rois,) int64, column indices"""
    groups: np.ndarray
    """(rois,), for example the frame of each row"""
    logits_of_parts: tuple[np.ndarray, ...] | None = None
    """For each part, the logits of all ROIs with the transforms of that part, (rois, classes) each.

    `logits` then takes the rows of each part from that part's array. None if all parts have the same transforms."""

    @cached_property
    def parts(self) -> np.ndarray:
        """(rois,) int64, the part of each ROI, counted from 0."""
        return parts_of(self.groups)

    @cached_property
    def temperatures(self) -> np.ndarray:
        """(parts,) float64, the temperature of each part, fitted on the others."""
        rests = [self.parts != part for part in range(self.parts.max() + 1)]
        return np.array(
            [fit_temperature(self._logits_for(part)[rest], self.labels[rest]) for part, rest in enumerate(rests)]
        )

    def _logits_for(self, part: int) -> np.ndarray:
        """(rois, classes), all ROIs with the transforms of `part`."""
        return self.logits if self.logits_of_parts is None else self.logits_of_parts[part]

    def probabilities(self, calibrate: bool) -> np.ndarray:
        """(rois, classes) float64, at the temperature of each row's part or, without `calibrate`, at 1."""
        return self._calibrated if calibrate else self._uncalibrated

    @cached_property
    def _uncalibrated(self) -> np.ndarray:
        return probabilities(self.logits)

    @cached_property
    def _calibrated(self) -> np.ndarray:
        return probabilities(self.logits, self.temperatures[self.parts])

    def decode(
        self, name: DecoderName, decoder: Decoder, *, calibrate: bool, fit: bool, view: np.ndarray | None = None
    ) -> np.ndarray:
        """Answers, (rois,) nodes.

        Args: fit, whether the decoder `threshold` uses thresholds fitted on the other parts; view (rois, classes),
            logits of another view of the same ROIs, decoded with the temperatures and thresholds fitted on this one.
        """
        decoded = self.probabilities(calibrate)
        if view is not None:
            decoded = probabilities(view, self.temperatures[self.parts] if calibrate else 1.0)
        if name != "threshold" or not fit:
            return decoder.decode(name, decoded)
        answers = np.empty(len(decoded), dtype=np.int64)
        truth = decoder.class_nodes[self.labels]
        for part, temperature in enumerate(self.temperatures if calibrate else np.ones(self.parts.max() + 1)):
            rest = self.parts != part
            fitted = fit_thresholds(decoder, probabilities(self._logits_for(part)[rest], temperature), truth[rest])
            answers[~rest] = replace(decoder, thresholds=fitted).threshold(decoded[~rest])
        return answers


def parts_of(groups: np.ndarray) -> np.ndarray:
    """(rois,) int64, which of up to five parts the group of each ROI belongs to, counted from 0."""
    return np.unique(groups, return_inverse=True)[1] % PARTS
