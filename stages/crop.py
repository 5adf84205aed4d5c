"""Cut the boxes out of the frames."""

import argparse
from pathlib import Path

from fathomline.crop.crop import CropConfig, crop
from fathomline.machine import MachineConfig
from fathomline.progress import summary
from stages import params_section, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subset", choices=["train", "test"])
    parser.add_argument("raw", type=Path, help="folder that the download stage wrote")
    parser.add_argument("crops", type=Path, help="folder to write rois/, pixels.npy, the tables and crops.json to")
    arguments = parser.parse_args()
    workers = params_section("machine", MachineConfig).workers
    done = crop(arguments.raw, arguments.crops, params_section("crop", CropConfig), workers=workers)
    summary(f"crop {arguments.subset}: {done if done.rois else f'no {arguments.subset} subset'}")


if __name__ == "__main__":
    run(main)
