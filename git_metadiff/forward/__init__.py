"""The forward port: a patchset carried onto another release, patch by patch, and proven to give the ported tree.

    carry ─► states ─► prefixes ─► rewrite (sections, recut) ─► regain ─► fates (upstream), rejects ─► layout ─► proof

A stage takes values and returns values; the folder is written by `folder`, for the command line.
"""

from git_metadiff.forward.words import CarriedPatch, ChangeFate, ForwardPort, HunkFate, Written

__all__ = ["CarriedPatch", "ChangeFate", "ForwardPort", "HunkFate", "Written"]
