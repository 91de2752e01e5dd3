"""git metadiff: what a downstream patchset itself changed between two upstream releases, proven."""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it, which a hook has no time to import
if TYPE_CHECKING:
    from typing import Any

    from git_metadiff.compare import compare

__all__ = ["compare"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load `compare` when it is first asked for: the command line must start without it."""
    if name == "compare":
        from git_metadiff.compare import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
