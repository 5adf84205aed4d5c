from tests.bundle.world import bundle, trained
from tests.colored_crops import config, crops, on_the_cpu, taxonomy
