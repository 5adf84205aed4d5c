"""Find the lineage of every concept of the training subset."""

import argparse
from pathlib import Path

from fathomline.dataset.coco import read_dataset
from fathomline.lineages.resolve import TaxonomyConfig, update_reference
from fathomline.machine import MachineConfig
from fathomline.progress import summary, warning
from stages import params_section, run
from stages.source import SourceConfig, opened
from stages.summaries import taxonomy_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path, help="dataset.json of the training subset")
    parser.add_argument("reference", type=Path, help="taxonomy_reference.json, read if it exists, then written")
    arguments = parser.parse_args()
    config, machine = params_section("taxonomy", TaxonomyConfig), params_section("machine", MachineConfig)
    concepts = {category["name"] for category in read_dataset(arguments.dataset).categories}
    with opened(params_section("source", SourceConfig), "train") as source:
        resolution = update_reference(concepts, config, arguments.reference, worms_url=source.worms, machine=machine)
    for line in (*resolution.notes, *resolution.changes):
        warning(line)
    summary(taxonomy_summary(resolution))


if __name__ == "__main__":
    run(main)
