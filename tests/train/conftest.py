from tests.colored_crops import (
    config,
    crops,
    frozen,
    meter,
    on_the_cpu,
    rows,
    taxonomy,
    thousand,
    two_views,
)
from tests.train.two_processes import fork_server, in_each, without_chance
