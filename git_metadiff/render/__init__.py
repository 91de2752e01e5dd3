"""Comparisons as text, patch and JSON. Every view is a function that yields lines of bytes, each with its newline.

No view prints, reads the environment or runs git; what a comparison does not hold is asked of the `Reader`. A view is
loaded when it is first asked for: a stored comparison should be on the screen at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from git_metadiff.render.bisect import suspects, suspects_document
    from git_metadiff.render.document import json_document
    from git_metadiff.render.explain import explain_hunk
    from git_metadiff.render.frames import trace
    from git_metadiff.render.graph import graph_text
    from git_metadiff.render.head import summary
    from git_metadiff.render.lineage import families_document, show_families
    from git_metadiff.render.meetings import collisions
    from git_metadiff.render.one_hunk import show_hunk
    from git_metadiff.render.page import full
    from git_metadiff.render.patches import series
    from git_metadiff.render.port import carried, carried_document
    from git_metadiff.render.raw import patch
    from git_metadiff.render.tables import name_status, stat
    from git_metadiff.render.view import Reader, View

__all__ = [
    "Reader",
    "View",
    "carried",
    "carried_document",
    "collisions",
    "corners",
    "corners_document",
    "explain_hunk",
    "families_document",
    "full",
    "graph_text",
    "json_document",
    "name_status",
    "patch",
    "series",
    "show_families",
    "show_hunk",
    "stat",
    "summary",
    "suspects",
    "suspects_document",
    "trace",
    "trial",
    "trial_document",
]
HOMES = {
    "Reader": "view",
    "View": "view",
    "carried": "port",
    "carried_document": "port",
    "collisions": "meetings",
    "corners": "trial",
    "corners_document": "trial",
    "explain_hunk": "explain",
    "families_document": "lineage",
    "full": "page",
    "graph_text": "graph",
    "json_document": "document",
    "name_status": "tables",
    "patch": "raw",
    "series": "patches",
    "show_families": "lineage",
    "show_hunk": "one_hunk",
    "stat": "tables",
    "summary": "head",
    "suspects": "bisect",
    "suspects_document": "bisect",
    "trace": "frames",
    "trial": "trial",
    "trial_document": "trial",
}


def __getattr__(name: str) -> Any:
    """Load the module of a view."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
