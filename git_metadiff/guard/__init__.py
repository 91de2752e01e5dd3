"""The rebase guard: what a commit, a rebase or a merge request does to a patchset, compared and judged.

A module a stage, data flows one way: `repository` (what is under way) and `folders` (the patch folders) find what there
is to compare, `patchfiles` and `commits` compare it by the engine, `verdicts` judges, `accept` takes out what is meant.
`quick` comes first in a hook: it finds with little work that nothing can have been lost.
"""
