"""Tracking with Weights & Biases (W&B). Only this module imports it, and its failures never fail a stage."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Where runs are recorded: `offline` in wandb/, `online` on the W&B server, `disabled` nowhere. `wandb sync`
    uploads offline runs; `online` needs `wandb login`."""

    project: Annotated[str, MinLen(1)] = "fathomline"
    """Name of the W&B project."""

    entity: str | None = None
    """W&B team or user; null: the default of the account."""


class Tracker:
    """One W&B run. Every method does nothing when tracking is disabled or after W&B has failed once."""

    def __init__(self, run: Any = None) -> None:
        self._run = run

    def log(
        self,
        values: Mapping[str, float | None],
        step: int | None,
        histograms: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Add a point at `step` to each named curve, and a histogram of each named list.

        Skips values that are None and empty lists. If `step` is None, W&B uses the next one.
        """

        def log() -> None:
            import wandb

            points = {name: value for name, value in values.items() if value is not None}
            lists = {name: wandb.Histogram(list(each)) for name, each in (histograms or {}).items() if each}
            self._run.log(points | lists, step=step)

        self._try("log", log)

    def summarize(self, values: Mapping[str, object]) -> None:
        """Set values in the run's summary."""
        self._try("summary", lambda: self._run.summary.update(dict(values)))

    def log_confusion(self, name: str, title: str, pairs: pd.DataFrame) -> None:
        """Log a confusion matrix. `pairs` has one row per ROI and the columns `truth` and `prediction`."""

        def log_confusion() -> None:
            import wandb

            names = sorted({*pairs["truth"], *pairs["prediction"]})
            truth, prediction = ([names.index(each) for each in pairs[column]] for column in ("truth", "prediction"))
            chart = wandb.plot.confusion_matrix(y_true=truth, preds=prediction, class_names=names, title=title)
            self._run.log({name: chart})

        self._try("chart", log_confusion)

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Log each named table as it is."""

        def log_tables() -> None:
            import wandb

            self._run.log({name: wandb.Table(dataframe=table) for name, table in tables.items()})

        self._try("tables", log_tables)

    def log_pictures(self, name: str, table: pd.DataFrame, pictures: Sequence[Path]) -> None:
        """Log `table` with one picture before each row; the cell is empty if the picture cannot be read."""

        def log_pictures() -> None:
            import wandb

            logged = wandb.Table(columns=["picture", *table.columns])
            for picture, row in zip(pictures, table.itertuples(index=False), strict=True):
                try:
                    cell: wandb.Image | None = wandb.Image(str(picture))
                except (OSError, SyntaxError):  # Pillow raises the latter for a PNG with a broken chunk
                    cell = None
                logged.add_data(cell, *row)
            self._run.log({name: logged})

        self._try("table", log_pictures)

    def keep(self, kind: str, files: Sequence[Path], metadata: Mapping[str, object]) -> None:
        """Store copies of `files` with the run, as one artifact of type `kind`."""

        def keep() -> None:
            import wandb

            artifact = wandb.Artifact(f"{kind}-{self._run.id}", type=kind, metadata=dict(metadata))
            for path in files:
                artifact.add_file(str(path), skip_cache=True)
            self._run.log_artifact(artifact)

        self._try("artifact", keep)

    def finish(self, exit_code: int) -> None:
        """End the run; W&B shows it as failed unless `exit_code` is 0."""
        self._try("finish", lambda: self._run.finish(exit_code=exit_code))

    def _try(self, what: str, action: Callable[[], object]) -> None:
        if self._run is None:
            return
        try:
            action()
        # W&B passes on any error of its service, the disk or the network. None of them may end a training.
        except Exception as error:
            warning(f"W&B {what} failed, so tracking stops here: {_first_line(error)}")
            self._run = None


@contextmanager
def tracked_run(
    config: TrackingConfig,
    folder: Path,
    *,
    name: str | None,
    group: str | None,
    params: Mapping[str, object],
    identity: str | None = None,
) -> Iterator[Tracker]:
    """Track the body of a `with` statement as one W&B run, marked as failed if the body raises.

    Args:
        folder: where `wandb/` is created.
        name, group: of the run; None leaves them to W&B.
        params: recorded with the run.
        identity: W&B's id of the run. A run that already has it is resumed; None starts a new one.
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
    params: Mapping[str, object],
    identity: str | None,
) -> Any:
    """The W&B run, or None if tracking is disabled or W&B cannot start."""
    if config.mode == "disabled":
        return None
    # W&B sends crash reports to its servers even offline, and its console output hides the stage's own line.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    # Store copies of artifacts beside the run until it is uploaded, not in the home folder.
    os.environ.setdefault("WANDB_DATA_DIR", str(folder / "wandb"))
    try:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(console="off", save_code=False, silent=True, login_timeout=15, init_timeout=30)
        run = wandb.init(
            mode=config.mode,
            project=config.project,
            entity=config.entity,
            dir=str(folder),
            id=identity,
            # Offline, W&B cannot check whether the run exists and prints a long warning; `WANDB_RESUME=allow wandb
            # sync` joins the parts.
            resume="allow" if identity and config.mode == "online" else None,
            name=name,
            group=group,
            config=dict(params),
            settings=settings,
        )
        run.define_metric("validation_mhd", summary="min")
        return run
    # As in Tracker._try: no W&B error may end a training.
    except Exception as error:
        warning(f"W&B could not start, so this run is not tracked: {_first_line(error)}")
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
