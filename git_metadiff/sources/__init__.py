"""A user's argument becomes a release or a patchset."""

from git_metadiff.sources.patchset import PatchsetSource, find_patchset
from git_metadiff.sources.release import ReleaseSource, find_release, import_release

__all__ = ["PatchsetSource", "ReleaseSource", "find_patchset", "find_release", "import_release"]
