"""The concepts of the training subset: whether their names are known, and whether they have enough ROIs."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fathomline.check.boxes import Boxes
from fathomline.check.finding import Finding, stopped, stops
from fathomline.check.subset import Subset
from fathomline.crop.tables import field_columns
from fathomline.errors import InputError, listing, visible
from fathomline.lineages.resolve import TaxonomyConfig, names_for_worms, resolve
from fathomline.rois.annotations import IMAGE_FIELD
from fathomline.split import SplitConfig, check_splittable
from fathomline.taxonomy.reference import read_lineages

MOST_NAMES = 30
"""Concepts that a message lists."""


def name_findings(subset: Subset, config: TaxonomyConfig, reference: Path) -> Iterator[Finding]:
    """Names without a known lineage, and lineages that contradict each other.

    Args: reference, the file with the lineages of an earlier run, if there was one.
    """
    names = {category["name"] for category in subset.data.coco.categories}
    try:
        cached = read_lineages(reference) if reference.exists() else {}
        unknown = names_for_worms(names, config, cached)
    except InputError as error:
        yield from stopped(error)
        return
    if config.refresh:
        yield Finding("expected", "taxonomy.refresh is true: every name that is not in your CSV is asked for again")
    if unknown and not config.offline:
        yield _looked_up(unknown, len(names), reference, _fill_command(subset, config))
        names -= unknown.keys()
    if not names:
        return
    # Without the network, as the stage does it: it refuses unknown names, and lineages that form no tree.
    try:
        resolution = resolve(names, replace(config, offline=True, refresh=False), cached=cached, worms_url=None)
    except InputError as error:
        yield Finding("stop", str(error))
    else:
        yield from (Finding("note", note) for note in resolution.notes)


def _fill_command(subset: Subset, config: TaxonomyConfig) -> str:
    """The command that writes a table of lineages to fill in, and never to the file that it reads."""
    source = shlex.quote(subset.where)
    if config.lineages is None:
        return f"fathomline lineages {source} > lineages.csv"
    return f"fathomline lineages {source} --lineages {shlex.quote(config.lineages)} > lineages-new.csv"


def _looked_up(unknown: Mapping[str, Sequence[str]], count: int, reference: Path, command: str) -> Finding:
    hints = [f"{name!r} (similar: {', '.join(near)})" if near else repr(name) for name, near in unknown.items()]
    return Finding(
        "surprise",
        f"{len(hints)} of {count} concepts will be looked up in WoRMS, which needs the network, because they are in "
        f"neither taxonomy.lineages, {reference} nor FathomNet 2025; names that WoRMS does not know stop the stage "
        f"taxonomy: {listing(hints, MOST_NAMES)}. `{command}` writes a table of lineages to fill in; then set "
        "taxonomy.lineages to its path",
    )


def count_findings(subset: Subset, boxes: Boxes, config: SplitConfig) -> Iterator[Finding]:
    """Whether the ROIs can be split, and concepts that are too rare to be both trained on and held out."""
    images = subset.data.coco.images
    groups = {image["id"]: str(image["id"]) for image in images}
    if config.group is not None:
        fields = field_columns(images)
        groups = dict(zip(groups, fields.get(IMAGE_FIELD + visible(config.group), [""] * len(images)), strict=True))
        lacking = [image_id for image_id, group in groups.items() if not group]
        if lacking:
            known = listing((name.removeprefix(IMAGE_FIELD) for name in fields), MOST_NAMES)
            yield Finding(
                "stop",
                f"{subset.where}: {len(lacking)} of {len(images)} images have no text or number in the field "
                f"`{config.group}` that split.group names: images {listing(lacking)}; fields to group by: "
                f"{known or 'none'}",
            )
            return
    rois = _rois(subset, boxes, groups)
    if not rois.empty:
        yield from stops(lambda: check_splittable(rois, config))
        yield from _rare_concepts(rois, config)
        if rois["label"].nunique() == 1:
            yield Finding(
                "surprise",
                f"all ROIs of the training subset are {rois['label'].iloc[0]!r}, so the model will know nothing else; "
                "add concepts to tell it from",
            )


def _rois(subset: Subset, boxes: Boxes, groups: Mapping[int, str]) -> pd.DataFrame:
    """(annotation_id, label, group), a row for each ROI that crop will cut. Args: groups, by image id."""
    coco = subset.data.coco
    names = {category["id"]: category["name"] for category in coco.categories}
    chosen = [coco.annotations[row] for row in boxes.rois]
    rows = [(each["id"], names[each["category_id"]], groups[each["image_id"]]) for each in chosen]
    return pd.DataFrame(rows, columns=["annotation_id", "label", "group"])


def _rare_concepts(rois: pd.DataFrame, config: SplitConfig) -> Iterator[Finding]:
    counts = rois.groupby("label").agg(rois=("label", "size"), groups=("group", "nunique"))
    counts = counts.sort_values(["rois", "groups"])
    kind = "images" if config.group is None else f"values of {config.group}"
    single = counts["groups"] == 1
    few = ~single & ((counts["groups"] < config.folds) | (counts["rois"] < config.folds))
    if single.any():
        yield Finding(
            "surprise",
            f"{single.sum()} of {len(counts)} concepts have ROIs in one of the {kind} only, so each is either trained "
            f"on or held out, never both: {_counted(counts[single])}",
        )
    if few.any():
        yield Finding(
            "surprise",
            f"{few.sum()} of {len(counts)} concepts have too few ROIs or {kind} for split.folds {config.folds}, so "
            f"some folds validate without them: {_counted(counts[few])}",
        )


def _counted(counts: pd.DataFrame) -> str:
    rows = (f"{row.Index} ({row.rois} in {row.groups})" for row in counts.itertuples())
    return listing(rows, MOST_NAMES)
