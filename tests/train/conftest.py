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
