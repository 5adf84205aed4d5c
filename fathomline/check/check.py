"""Everything that will stop or surprise a run, and what it will take."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fathomline.bundle.bundle import BundleConfig
from fathomline.check.boxes import box_findings, boxes_of, degradation_findings, size_findings
from fathomline.check.concepts import count_findings, name_findings
from fathomline.check.cost import SubsetSize, cost_findings
from fathomline.check.downloaded import downloaded_findings
from fathomline.check.finding import Finding
from fathomline.check.frames import frame_findings, frames_of
from fathomline.check.parameters import Parameters, batch_findings, lineage_findings, model_findings
from fathomline.check.subset import SubsetName, read_subset
from fathomline.download.download import DownloadConfig
from fathomline.sources.read_source import SourceRequest


def check(
    parameters: Parameters,
    requests: Mapping[SubsetName, SourceRequest],
    reference: Path,
    *,
    cores: int,
    raw: Path | None = None,
) -> list[Finding]:
    """Check parameters and annotations without fetching or writing anything.

    Args:
        requests: where the annotations of each subset are; empty for the reef, which has no files. Without a test
            subset, it has no request.
        reference: the file with the lineages of an earlier run, if there was one.
        cores: that this machine has.
        raw: the folder with the downloaded subsets, to compare the annotations with; None if the download follows.
    """
    findings = [*model_findings(parameters), *lineage_findings(parameters)]
    sizes: dict[str, SubsetSize] = {}
    for name, request in requests.items():
        subset, found = read_subset(name, request)
        findings += found
        if subset is not None:
            if raw is not None:
                findings += downloaded_findings(subset, raw / name / "dataset.json")
            frames = frames_of(subset, (parameters.download or DownloadConfig()).max_megabytes)
            size = SubsetSize(subset, frames, boxes_of(subset, frames))
            findings += [*frame_findings(subset, frames, parameters.download), *_subset_findings(size, parameters)]
            sizes[name] = size
    if "train" in sizes:
        findings += _training_findings(sizes["train"], sizes.get("test"), parameters, reference)
    findings += _source_findings(requests, parameters)
    findings += cost_findings(sizes, parameters, cores)
    return list(dict.fromkeys(findings))


def _subset_findings(size: SubsetSize, parameters: Parameters) -> Iterator[Finding]:
    yield from box_findings(size.subset, size.frames, size.boxes)
    if parameters.crop and parameters.train:
        yield from size_findings(size.subset, size.boxes, parameters.crop, parameters.train)


def _training_findings(
    training: SubsetSize, test: SubsetSize | None, parameters: Parameters, reference: Path
) -> Iterator[Finding]:
    if parameters.taxonomy:
        yield from name_findings(training.subset, parameters.taxonomy, reference)
    if parameters.split:
        yield from count_findings(training.subset, training.boxes, parameters.split)
    if parameters.train:
        yield from batch_findings(len(training.boxes.rois), parameters.train)
        boxes = test.boxes if test else None
        yield from degradation_findings(training.boxes, boxes, parameters.train.validation)


def _source_findings(requests: Mapping[SubsetName, SourceRequest], parameters: Parameters) -> Iterator[Finding]:
    train, test, bundle = requests.get("train"), requests.get("test"), parameters.bundle
    if train is None:
        return
    if bundle and bundle.attribution == BundleConfig().attribution:
        yield Finding(
            "surprise",
            f"bundle.attribution is {bundle.attribution!r}, and the model card will say so; set bundle.attribution, "
            "bundle.name and bundle.license to those of your data, or the attribution to null",
        )
    if test is None:
        yield Finding(
            "expected", "no test subset, as source.test is null: the run trains and evaluates, but labels nothing"
        )
        if bundle and bundle.weights != "float32":
            yield Finding(
                "surprise",
                f"bundle.weights is {bundle.weights}, but without a test subset nothing can show that it changes no "
                "answer: weights stay float32",
            )
    elif test.annotations == train.annotations:
        yield Finding(
            "surprise",
            f"source.test is {test.annotations}, as source.train is: the answers will be for boxes that the models "
            "have seen in training",
        )
