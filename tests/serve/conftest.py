from tests.browser import browser
from tests.bundle.world import bundle, trained
from tests.colored_crops import config, crops, on_the_cpu, taxonomy
from tests.serve.refusals import small
from tests.serve.world import served
