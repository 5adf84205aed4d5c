from tests.answers.world import warnings
from tests.colored_crops import taxonomy
