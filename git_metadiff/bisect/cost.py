"""What a change costs to build: an estimate of how many files are compiled again, by where the changed file lies.

Counting the inclusions in a kernel takes longer than everything else that a chain needs, and a search only asks which
steps are dear.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable

from git_metadiff.bisect.names import is_build_file, is_code, is_header, is_kconfig

#: A configuration symbol, or the build file at the top, may touch everything.
EVERYTHING = 1000.0
#: A header below `include/`: of 371 that a kernel release changed, one in six alone rebuilt over half of the objects.
SHARED_HEADER = 200.0
#: A header beside its sources.
OWN_HEADER = 8.0
#: A build file below the top: the objects of its folder.
FOLDER = 20.0
OBJECT = 1.0
#: Documentation and the like.
NOTHING = 0.05
#: What costs as much is built first, in one block.
DEAR = FOLDER


def cost_of_file(path: bytes) -> float:
    """How many files must be compiled again when this one changes."""
    if is_kconfig(path):
        return EVERYTHING
    if is_build_file(path):
        return FOLDER if b"/" in path else EVERYTHING
    if is_header(path):
        folders = posixpath.dirname(path).split(b"/")
        return SHARED_HEADER if b"include" in folders else OWN_HEADER
    return OBJECT if is_code(path) else NOTHING


def cost_of(paths: Iterable[bytes]) -> float:
    """The same for several files at once; never more than everything."""
    return min(EVERYTHING, math.fsum(map(cost_of_file, set(paths))))
