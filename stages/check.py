"""Tell what will stop or surprise a run, and what it will take, before anything is fetched."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fathomline.check.check import check
from fathomline.check.finding import Finding, grouped_lines, stopped
from fathomline.check.parameters import Parameters, model_findings
from fathomline.check.subset import IN_WORDS
from fathomline.config import load_params, section_of
from fathomline.errors import InputError, listing
from fathomline.machine import cores
from fathomline.progress import summary, warning
from stages import PARAMS, run
from stages.params import SECTIONS

REFERENCE, RAW, LOCK = Path("cache/taxonomy_reference.json"), Path("data/raw"), Path("dvc.lock")
"""As in dvc.yaml, which does not run this script."""

FROM_TRAINING_ON = ("split", "train", "predict", "evaluate", "submit", "bundle", "tracking", "machine")
"""The sections that train and the stages after it read; the crops that train reads are cut already."""


def all_findings(raw: Path | None = None) -> list[Finding]:
    """Everything that there is to say about params.yaml and the files it names.

    Args: raw, the folder with the downloaded subsets; None if the download follows.
    Raises InputError if params.yaml is not YAML.
    """
    sections, findings = read_sections(SECTIONS)
    source, machine = sections.pop("source", None), sections.pop("machine", None)
    requests = {}
    if source is not None and source.name != "reef":
        requests = {subset: request for subset in IN_WORDS if (request := source.request(subset)) is not None}
    elif source is not None and source.train:
        text = f"source.name is reef, so source.train is not read; set source.name to what {source.train} is"
        findings.append(Finding("surprise", text))
    processes = (machine.workers if machine else 0) or cores()
    return findings + check(_parameters(sections), requests, REFERENCE, cores=processes, raw=raw)


def check_before_download() -> None:
    """Warn of what may surprise, and raise InputError if anything will stop a stage.

    The download itself prints the notes on the annotations.
    """
    findings = all_findings()
    for finding in findings:
        if finding.kind == "surprise":
            warning(finding.text)
    _refuse(findings)


def check_before_training() -> None:
    """Raise InputError if the parameters will stop training or a later stage."""
    sections, findings = read_sections(FROM_TRAINING_ON)
    _refuse([*findings, *model_findings(_parameters(sections))])


def read_sections(names: Iterable[str]) -> tuple[dict[str, Any], list[Finding]]:
    """The sections without faults by name, and a finding for each fault and for each section that does not exist."""
    params = load_params(PARAMS)
    sections: dict[str, Any] = {}
    findings: list[Finding] = []
    for name in names:
        try:
            sections[name] = section_of(params, PARAMS, name, SECTIONS[name])
        except InputError as error:
            findings += stopped(error)
    unknown = [name for name in params if name not in SECTIONS]
    if unknown:
        text = f"{PARAMS}: no stage reads the section(s) {listing(unknown)}; the sections are {listing(SECTIONS, 20)}"
        findings.append(Finding("surprise", text))
    return sections, findings


def downloaded_with(source: object) -> bool:
    """Whether the last download had this section `source`. If not, DVC itself runs it again.

    Raises InputError if dvc.lock is not YAML.
    """
    stages = load_params(LOCK).get("stages", {}) if LOCK.exists() else {}
    recorded = stages.get("download@train", {}).get("params", {}).get(str(PARAMS), {})
    return "source" in recorded and recorded["source"] == source


def _parameters(sections: dict[str, Any]) -> Parameters:
    return Parameters(**{name: sections.get(name) for name in Parameters.__dataclass_fields__})


def _refuse(findings: Iterable[Finding]) -> None:
    problems = [finding.text for finding in findings if finding.kind == "stop"]
    if problems:
        raise InputError("\n".join(problems))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    findings = all_findings(RAW if downloaded_with(load_params(PARAMS).get("source")) else None)
    for line in grouped_lines(findings):
        summary(line)
    problems = sum(finding.kind == "stop" for finding in findings)
    summary(f"\ncheck: {f'{problems} problem(s) will stop a stage' if problems else 'nothing will stop a stage'}")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
