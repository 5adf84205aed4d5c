"""The form and the errors in the terms of OpenAPI."""

from typing import Any, get_args

from fathomline.decide.decode import DECODERS, CandidateSet
from fathomline.taxonomy.ranks import RANKS

_BOX = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}

_PROPERTIES: dict[str, Any] = {
    "image": {"type": "string", "format": "binary", "description": "The picture's file. URLs are not opened."},
    "boxes": {
        "type": "array",
        "items": _BOX,
        "description": "JSON: [x, y, width, height] of each box in pixels of the upright picture; absent for the "
        "whole picture.",
    },
    "within": {
        "type": "string",
        "description": "Only this taxon and those below it may be answered. For several boxes, also a JSON list with a "
        "name or null for each.",
    },
    "taxa": {
        "type": "string",
        "description": "Only these taxa, separated by commas, and those below them may be answered.",
    },
    "top": {"type": "integer", "minimum": 0, "default": 5, "description": "How many of the most probable concepts."},
    "decoder": {"type": "string", "enum": list(DECODERS), "description": "The bundle's if absent."},
    "candidates": {
        "type": "string",
        "enum": list(get_args(CandidateSet)),
        "description": "`labels`: concepts only; `tree`: any taxon above them too. The bundle's if absent.",
    },
    "rank_floor": {"type": "string", "enum": list(map(str, RANKS)), "description": "No answer is finer than this."},
}

FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": _PROPERTIES,
                "additionalProperties": False,
            },
            "encoding": {"boxes": {"contentType": "application/json"}},
        }
    },
}

_SENTENCE = {
    "application/json": {
        "schema": {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
    }
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": _SENTENCE}
    for status, description in {
        400: "A field is wrong.",
        403: "The request comes from a page of another site.",
        408: "The request took too long to arrive.",
        413: "The picture is too large, or has too many boxes.",
        415: "Not a form, or not a picture.",
        429: "Too many requests; `Retry-After` says when to try again.",
    }.items()
}
