"""The pseudo-bisect: which hunks to suspect, where no history leads from the tree that works to the one that fails.

`candidates` gathers hunks in groups, `suspicion` orders them.
"""

from __future__ import annotations

from git_metadiff.bisect.candidates import Candidate, Facts, Piece, gather
from git_metadiff.bisect.suspicion import Suspect, rank

__all__ = ["Candidate", "Facts", "Piece", "Suspect", "gather", "rank"]
