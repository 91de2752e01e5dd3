"""Two patchsets and what became of the older one: by the engine where their trees are at hand, else by text alone.

A hunk that does not apply is left out by the engine; of the files that it touches the text tells what is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from git_metadiff.alone import GONE, compare_sides, read_side
from git_metadiff.apply import PatchText
from git_metadiff.compare import weigh
from git_metadiff.git import Git, Scratch
from git_metadiff.hunks import RawHunk, Scanner
from git_metadiff.linemap import Tree
from git_metadiff.model import Change, Comparison, Hunk, Patch, Verdict
from git_metadiff.sources import PatchsetSource

#: The reason of what is gone by the text alone.
ALONE = "alone"
ALONE_WORDS = "the new patches do not hold it; whether upstream does is not told, for its tree is not at hand"
#: More bytes of paths than this are not passed to one process.
MANY = 1 << 17

Verdicts = dict[str, tuple[Verdict, ...]]


@dataclass(frozen=True, slots=True)
class Moment:
    """A patchset at one moment, cut down to what matters, and the files of the release that it stands on."""

    name: str
    texts: tuple[PatchText, ...]
    files: Tree | None  # None: the release is not at hand


@dataclass(slots=True)
class Matched:
    """What the comparison of two moments tells."""

    old_patches: Sequence[Patch]
    new_patches: Sequence[Patch]
    old: Sequence[Hunk]
    new: Sequence[Hunk]
    fates: Verdicts
    origins: Verdicts
    base_moved: bool = False
    shown: Mapping[str, RawHunk] = field(default_factory=dict)  # hunk id -> the hunk of the interdiff that shows it
    #: (patch, path) of hunks that do not apply, with what was said
    old_rejected: Mapping[tuple[str, bytes], str] = field(default_factory=dict)
    new_rejected: Mapping[tuple[str, bytes], str] = field(default_factory=dict)

    def line(self, hunk: Hunk, change: Change) -> int:
        """The 1-based line of the new tree where a change of the older patchset is or would be, as far as is known."""
        raw = self.shown.get(hunk.id)
        if raw is None:
            return max(1, change.new_start)
        ours, at = {*(b"-" + line for line in change.added), *(b"+" + line for line in change.removed)}, raw.new_start
        for line in raw.body:
            if line in ours:
                break
            at += line[:1] != b"-"
        return max(1, at)


def match(scratch: Scratch, old: Moment, new: Moment) -> Matched:
    """Compare two moments."""
    if old.files is None or new.files is None:
        return match_alone(old, new)
    trees = [write_tree(scratch, moment.files or {}) for moment in (old, new)]
    moved = trees[0] != trees[1]
    names = (old.name, new.name if moved else old.name)
    sources = [source_of(moment) for moment in (old, new)]
    found = of_comparison(weigh(scratch, names, trees, sources), moved)
    if found.old_rejected or found.new_rejected:
        mend(found, match_alone(old, new))
    return found


def source_of(moment: Moment) -> PatchsetSource:
    """A moment as the engine takes it."""
    return PatchsetSource(moment.name, moment.texts)


def of_comparison(comparison: Comparison, moved: bool) -> Matched:
    """What the guard needs of a comparison."""
    old, new = comparison.patchsets
    transition = comparison.transitions[0]
    raws = {
        (file.new_name or file.old_name, raw.old_start, raw.new_start): raw
        for file in Scanner(transition.interdiff, "interdiff").scan()
        for raw in file.hunks
    }
    shown: dict[str, RawHunk] = {}
    for part in transition.interdiff_hunks:
        raw = raws.get((b"b/" + part.path, part.old_start, part.new_start))
        if raw is not None:
            shown.update({name: raw for name in part.hunks if name not in shown})
    rejected = [
        {(side.patches[one.patch].name, one.path): one.text for one in side.notices if one.kind == "rejected"}
        for side in (old, new)
    ]
    return Matched(
        old.patches,
        new.patches,
        old.hunks,
        new.hunks,
        dict(comparison.fates),
        dict(comparison.origins),
        moved,
        shown,
        *rejected,
    )


def match_alone(old: Moment, new: Moment) -> Matched:
    """Compare two moments by their text."""
    sides = [read_side(source_of(moment), at) for at, moment in enumerate((old, new))]
    step = compare_sides(sides).steps[0]
    fates = {name: tuple(map(with_trees, verdicts)) for name, verdicts in step.fates.items()}
    return Matched(sides[0].patches, sides[1].patches, sides[0].hunks, sides[1].hunks, fates, dict(step.origins))


def with_trees(verdict: Verdict) -> Verdict:
    """A verdict of patches alone, as a comparison would spell it."""
    return Verdict("dropped", None, ALONE, ALONE_WORDS) if verdict.word == GONE else verdict


def mend(found: Matched, alone: Matched) -> None:
    """Take what the text tells of the files in which a hunk does not apply."""
    paths = {path for _, path in [*found.old_rejected, *found.new_rejected]}
    for side in ("old", "new"):
        mine = [hunk for hunk in getattr(found, side) if hunk.path not in paths]
        others = [hunk for hunk in getattr(alone, side) if hunk.path in paths]
        setattr(found, side, [*mine, *others])
    for verdicts, told, hunks in (
        (found.fates, alone.fates, found.old),
        (found.origins, alone.origins, found.new),
    ):
        for hunk in hunks:
            if hunk.path in paths or hunk.id not in verdicts:
                verdicts[hunk.id] = told[hunk.id]


def write_tree(scratch: Scratch, files: Tree) -> str:
    """A tree of these files alone."""
    index = scratch.index("guard")
    lines = [b"%s %s\t%s\0" % (mode.encode(), oid.encode(), path) for path, (mode, oid) in sorted(files.items())]
    scratch.run("update-index", "-z", "--index-info", stdin=b"".join(lines), index=index)
    tree = scratch.text("write-tree", "--missing-ok", index=index)
    index.unlink(missing_ok=True)
    return tree


def list_files(git: Git, tree: str, names: Sequence[bytes], prefix: bytes = b"") -> Tree:
    """Those of `names` that `tree` has below `prefix` (with its slash), by their names there."""
    paths = [prefix + name for name in names]
    limits = paths if sum(map(len, paths)) < MANY else [prefix] if prefix else []
    wanted = set(names)
    found: Tree = {}
    for record in git.run("ls-tree", "-r", "-z", "--full-tree", tree, "--", *limits).split(b"\0") if paths else ():
        meta, _, path = record.partition(b"\t")
        name = path[len(prefix) :]
        if path.startswith(prefix) and name in wanted:
            mode, _, oid = meta.decode("ascii").split(" ")
            found[name] = (mode, oid)
    return found
