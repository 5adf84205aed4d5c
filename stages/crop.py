"""Cut the boxes out of the frames."""

import argparse
from pathlib import Path

from fathomline.crop.crop import CropConfig, crop
from fathomline.progress import summary
from fathomline.split import SplitConfig
from stages import params_section, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subset", choices=["train", "test"])
    parser.add_argument("raw", type=Path, help="folder that the download stage wrote")
    parser.add_argument("crops", type=Path, help="folder for rois/, pixels.npy, the tables and crops.json")
    arguments = parser.parse_args()
    # Only the training subset is split, so only its images need the field.
    group = params_section("split", SplitConfig).group if arguments.subset == "train" else None
    done = crop(arguments.raw, arguments.crops, params_section("crop", CropConfig), group)
    summary(f"crop {arguments.subset}: {done}")


if __name__ == "__main__":
    run(main)
