"""The correspondence of the hunks of two patchsets, in stages, cheap and certain ones first.

`items` gathers the changes of both sides in common coordinates; `exact`, `place` and `content` pair them, each working
on what the earlier stages left; `upstream` asks what upstream did to the rest and who caused a difference; `classify`
gives every change its verdict and the graph its edges.
"""

from git_metadiff.correspond.classify import Correspondence, correspond

__all__ = ["Correspondence", "correspond"]
