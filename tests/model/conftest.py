import numpy as np
import pandas as pd
import pytest
import torch

from fathomline.rois.crops import Crops
from tests.colored_crops import config, crops, on_the_cpu, rows, taxonomy, thousand, two_views
from tests.crops import with_views


@pytest.fixture
def boxes(crops) -> Crops:
    """Three ROIs of 30 by 40, 60 by 80 and 160 by 120 pixels, two in frames of 640 by 480 and one in a frame of 480 by
    640. Each has three views of 32 px of noise: the box, three times the box, and the frame."""
    table = pd.DataFrame({"w": [30.0, 60.0, 160.0], "h": [40.0, 80.0, 120.0]})
    table["frame_w"], table["frame_h"] = [640, 640, 480], [480, 480, 640]
    noise = np.random.default_rng(3).integers(0, 256, (3, 3, 32, 32, 3), dtype=np.uint8)
    return with_views(crops, 1.0, 3.0, "frame", annotations=table, pixels=noise)


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
