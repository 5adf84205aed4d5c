"""Download the COCO JSON and the frames of a subset."""

import argparse
from pathlib import Path

from fathomline.download.download import DownloadConfig, download
from fathomline.machine import MachineConfig
from fathomline.progress import summary
from stages import params_section, run
from stages.source import SourceConfig, opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subset", choices=["train", "test"])
    parser.add_argument("raw", type=Path, help="folder for dataset.json, manifest.csv and images/")
    arguments = parser.parse_args()
    config = params_section("download", DownloadConfig)
    machine = params_section("machine", MachineConfig)
    with opened(params_section("source", SourceConfig), arguments.subset) as source:
        result = download(
            source.request,
            arguments.raw,
            config,
            machine=machine,
            labelled=arguments.subset == "train",
            allow_loopback=source.allow_loopback,
        )
    summary(f"download {arguments.subset}: {result}")


if __name__ == "__main__":
    run(main)
