from tests.colored_crops import crops
