"""Answers in Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fathomline.taxonomy.ranks import RANKS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prediction:
    """The answer for one ROI."""

    image: int
    """Index of the picture, from 0."""
    box: tuple[float, ...] | None
    """The box as given; None for the whole picture."""
    name: str
    """A concept, or a taxon above concepts."""
    accepted_name: str
    rank: str
    aphia_id: int | None
    """Its AphiaID in WoRMS, if known."""
    confidence: float | None
    """Probability of the answer and all taxa below it; None if the ROI could not be seen."""
    lineage: dict[str, str]
    """Names from kingdom down to the answer, by rank."""
    probabilities: dict[str, float]
    """Probability of each name in `lineage`, by rank; empty if the ROI could not be seen."""
    most_probable: tuple[tuple[str, float], ...]
    """The most probable concepts and their probabilities, highest first, as many as `Choice.top` asks for."""
    seen: bool
    """False if the picture or the box is invalid. The answer is then the best constant answer."""
    reason: str
    """Why the ROI could not be seen; empty if it was."""


class Predictions(list[Prediction]):
    """The answers for all ROIs, in the order of pictures and boxes."""

    def to_pandas(self) -> "pd.DataFrame":
        """One row per ROI.

        Returns: image, x, y, w and h (NaN for a whole picture), concept_name, accepted_name, rank, aphia_id,
            confidence, for each of the seven ranks its name and probability, concept_1, probability_1 … for the most
            probable concepts, seen, reason.
        """
        import pandas as pd

        table = pd.DataFrame([_row(prediction) for prediction in self], columns=None if self else [*_COLUMNS])
        return table.astype({"aphia_id": "Int64"})


_COLUMNS = (
    *("image", "x", "y", "w", "h", "concept_name", "accepted_name", "rank", "aphia_id", "confidence"),
    *(column for rank in RANKS for column in (str(rank), f"{rank}_probability")),
    *("seen", "reason"),
)


def _row(prediction: Prediction) -> dict[str, Any]:
    box = prediction.box if prediction.box is not None and len(prediction.box) == 4 else (float("nan"),) * 4
    answer = {
        "concept_name": prediction.name,
        "accepted_name": prediction.accepted_name,
        "rank": prediction.rank,
        "aphia_id": prediction.aphia_id,
        "confidence": float("nan") if prediction.confidence is None else prediction.confidence,
    }
    at_ranks: dict[str, Any] = {}
    for rank in map(str, RANKS):
        at_ranks[rank] = prediction.lineage.get(rank, "")
        at_ranks[f"{rank}_probability"] = prediction.probabilities.get(rank, float("nan"))
    most_probable: dict[str, Any] = {}
    for place, (name, probability) in enumerate(prediction.most_probable, start=1):
        most_probable |= {f"concept_{place}": name, f"probability_{place}": probability}
    where = {"image": prediction.image, **dict(zip("xywh", box, strict=True))}
    return where | answer | at_ranks | most_probable | {"seen": prediction.seen, "reason": prediction.reason}


def prediction_of(
    row: Mapping[Any, Any], image: int, box: tuple[float, ...] | None, top: int, reason: str
) -> Prediction:
    """Args: row of `decide.submit.answers`, followed by `top` most probable concepts; reason, empty if it was seen."""
    ranks = [str(rank) for rank in RANKS if row[rank]]
    seen = not reason
    return Prediction(
        image=image,
        box=box,
        name=row["concept_name"],
        accepted_name=row["accepted_name"],
        rank=row["rank"],
        aphia_id=None if row["aphia_id"] is None or row["aphia_id"] != row["aphia_id"] else int(row["aphia_id"]),
        confidence=row["confidence"] if seen else None,
        lineage={rank: row[rank] for rank in ranks},
        probabilities={rank: row[f"{rank}_probability"] for rank in ranks} if seen else {},
        most_probable=tuple((row[f"concept_{place}"], row[f"probability_{place}"]) for place in range(1, top + 1))
        if seen
        else (),
        seen=seen,
        reason=reason,
    )
