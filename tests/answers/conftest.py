from tests.answers.world import warnings
from tests.browser import browser
from tests.colored_crops import taxonomy
