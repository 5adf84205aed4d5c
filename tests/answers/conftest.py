from tests.colored_crops import taxonomy
