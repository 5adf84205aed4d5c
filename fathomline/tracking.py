"""Weights & Biases: the only place that knows of it. No failure here ever fails a training."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from annotated_types import MinLen

from fathomline.config import section
from fathomline.progress import warning


@section
class TrackingConfig:
    mode: Literal["offline", "online", "disabled"] = "offline"
    """`offline`: runs are kept in wandb/ for `wandb sync`; `online`: sent as they go (needs `wandb login`)."""

    project: Annotated[str, MinLen(1)] = "fathomline"
    """W&B project."""

    entity: str | None = None
    """W&B team or user; null for the default of the account."""


class Tracker:
    """One W&B run, or nothing when tracking is off or broke down."""

    def __init__(self, run: Any = None) -> None:
        self._run = run

    def log(
        self,
        values: Mapping[str, float | None],
        step: int | None,
        histograms: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Add a point at `step` to each named curve, and a histogram of each named list; None and empty lists are
        left out. Without a step, after what is there."""

        def log() -> None:
            import wandb

            drawn = {name: wandb.Histogram(list(values)) for name, values in (histograms or {}).items() if values}
            self._run.log({name: value for name, value in values.items() if value is not None} | drawn, step=step)

        self._try("log", log)

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set figures of the run as a whole."""
        self._try("summary", lambda: self._run.summary.update(dict(values)))

    def confuse(self, name: str, pairs: pd.DataFrame) -> None:
        """Chart how often each `truth` was answered with each `prediction`; `pairs` has one row an ROI."""

        def confuse() -> None:
            import wandb

            names = sorted({*pairs["truth"], *pairs["prediction"]})
            truth, prediction = ([names.index(each) for each in pairs[column]] for column in ("truth", "prediction"))
            chart = wandb.plot.confusion_matrix(y_true=truth, preds=prediction, class_names=names, title=name)
            self._run.log({name: chart})

        self._try("chart", confuse)

    def show(self, name: str, table: pd.DataFrame, pictures: Sequence[Path]) -> None:
        """Show `table` with a picture before each row; one that cannot be read leaves its cell empty."""

        def show() -> None:
            import wandb

            shown = wandb.Table(columns=["picture", *table.columns])
            for picture, row in zip(pictures, table.itertuples(index=False), strict=True):
                try:
                    cell = wandb.Image(str(picture))
                except (OSError, SyntaxError):  # Pillow raises the latter for a PNG with a broken chunk
                    cell = None
                shown.add_data(cell, *row)
            self._run.log({name: shown})

        self._try("table", show)

    def keep(self, kind: str, files: Sequence[Path], metadata: Mapping[str, Any]) -> None:
        """Keep copies of `files` with the run, as an artifact of this kind with `metadata`."""

        def keep() -> None:
            import wandb

            artifact = wandb.Artifact(f"{kind}-{self._run.id}", type=kind, metadata=dict(metadata))
            for path in files:
                artifact.add_file(str(path), skip_cache=True)
            self._run.log_artifact(artifact)

        self._try("artifact", keep)

    def finish(self, exit_code: int) -> None:
        self._try("finish", lambda: self._run.finish(exit_code=exit_code))

    def _try(self, what: str, action) -> None:
        if self._run is None:
            return
        try:
            action()
        # W&B raises whatever its service, disk or network raises; a training is worth more than its log.
        except Exception as error:
            warning(f"W&B {what} failed and tracking stops here: {_first_line(error)}")
            self._run = None


@contextmanager
def tracked_run(
    config: TrackingConfig,
    folder: Path,
    *,
    name: str | None,
    group: str | None,
    params: Mapping[str, Any],
    identity: str | None = None,
) -> Iterator[Tracker]:
    """A W&B run around a training.

    Args: folder that gets `wandb/`; name and group of the run, None for W&B's own; params to file with the run;
        identity, W&B's id of the run: one that is there already is gone on with.
    """
    tracker = Tracker(_start(config, folder, name, group, params, identity))
    try:
        yield tracker
    except BaseException:
        tracker.finish(exit_code=1)
        raise
    tracker.finish(exit_code=0)


def _start(
    config: TrackingConfig,
    folder: Path,
    name: str | None,
    group: str | None,
    params: Mapping[str, Any],
    identity: str | None,
):
    if config.mode == "disabled":
        return None
    # Crash reports go to W&B's own servers, offline or not, and its console lines bury the stage's one.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    # Copies of what is kept wait beside the run until it is sent, not in the home folder.
    os.environ.setdefault("WANDB_DATA_DIR", str(folder / "wandb"))
    try:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            console="off",
            save_code=False,
            silent=True,
            login_timeout=15,
            init_timeout=30,
        )
        run = wandb.init(
            mode=config.mode,
            project=config.project,
            entity=config.entity,
            dir=str(folder),
            id=identity,
            # Offline, W&B cannot look whether the run is there, and says so at length: `WANDB_RESUME=allow wandb sync`
            # joins them.
            resume="allow" if identity and config.mode == "online" else None,
            name=name,
            group=group,
            config=dict(params),
            settings=settings,
        )
        run.define_metric("validation_mhd", summary="min")
        return run
    # See Tracker._try: whatever W&B raises, the training goes on.
    except Exception as error:
        warning(f"W&B could not start and this run is not tracked: {_first_line(error)}")
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
