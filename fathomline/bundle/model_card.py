"""The model card of a bundle: its README.md, from the template model_card.md beside this file."""

from collections.abc import Mapping
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from fathomline.taxonomy.tree import Taxonomy


def model_card(content: Mapping[str, Any], taxonomy: Taxonomy) -> str:
    """Return a model card in Markdown, with the front matter that model hubs read.

    Args: content of bundle.json.
    """
    environment = Environment(
        loader=PackageLoader("fathomline.bundle", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["cell"] = _cell
    template = environment.get_template("model_card.md")
    return template.render(
        front_matter=yaml.safe_dump(_front_matter(content), sort_keys=False, allow_unicode=True),
        lineages=[taxonomy.lineage(concept) for concept in content["classes"]],
        origins=sorted({lineage.origin for lineage in taxonomy.lineages}),
        **{key: value for key, value in content.items() if key != "lineages"},
    )


def _front_matter(content: Mapping[str, Any]) -> dict[str, Any]:
    figures = content["figures"]
    results = [
        {"type": "mean_hierarchical_distance", "name": "Mean hierarchical distance", "value": figures["mhd"]},
        {"type": "accuracy", "name": "Accuracy", "value": figures["accuracy"]},
    ]
    return {
        "license": content["license"],
        "library_name": "fathomline",
        "pipeline_tag": "image-classification",
        "tags": ["marine-biology", "hierarchical-classification", "fine-grained-classification", "worms"],
        "metrics": ["mean_hierarchical_distance", "accuracy"],
        "model-index": [
            {
                "name": content["name"],
                "results": [
                    {
                        "task": {
                            "type": "image-classification",
                            "name": "Hierarchical classification of marine animals",
                        },
                        "dataset": {"type": "held-out", "name": f"{figures['rois']} held-out ROIs"},
                        "metrics": results,
                    }
                ],
            }
        ],
    }


def _cell(value: object) -> str:
    """Escape a value for a Markdown table: names are data, not markup."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|&" else letter for letter in str(value))
    return " ".join(escaped.split())
