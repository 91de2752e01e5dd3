"""The usual commit, settled in the time that Python takes to start: nothing was lost, beyond doubt.

It knows one answer. Where a patch of a series was edited, its base stands still, every change of the older text is in
the newer one at the same place of the release (or edited there), and the newer one applies, there is nothing to say. In
any other case it gives up, and the guard does the whole work; so this module has its own small reader of patches, and
imports nothing that costs.
"""

from __future__ import annotations

import os

from git_metadiff.git.quick import QuickGit

TYPE_CHECKING = False  # as `typing` has it, which a hook has no time to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: What is staged, as the hook's shell knows it: the lines of `git diff-index --cached --raw --no-abbrev`.
STAGED = "METADIFF_GUARD_STAGED"
#: Files of the git folder that tell of something under way.
BUSY = ("rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_HEAD")
MOST_PATCHES = 20
#: Lines that stand for something which this reader does not know.
UNUSUAL = (
    b"GIT binary patch",
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"rename ",
    b"copy ",
    b"similarity ",
    b"dissimilarity ",
    b"Binary files ",
    b"--- /dev/null",
    b"+++ /dev/null",
    b'--- "',
    b'+++ "',
    b"diff --cc",
    b"diff --combined",
)
PATCH = (b".patch", b".diff", b".mbox", b".eml", b".gz", b".xz", b".bz2", b".zst")
LISTINGS = (b"series", b".patches")
REGULAR = b"100644"

#: A change: removed lines, added lines, its first line counted from the hunk's, the context lines around it.
Change = tuple[tuple[bytes, ...], tuple[bytes, ...], int, bytes, bytes]
#: A hunk: line of its header's old side, the old lines, changes.
Hunk = tuple[int, tuple[bytes, ...], list[Change]]
Files = dict[bytes, list[Hunk]]
#: Paths, each with the words of its line: modes, ids and what happened.
Staged = list[tuple[bytes, list[bytes]]]


class GiveUp(Exception):
    """It takes the whole guard to tell."""


def nothing_lost(environ: Mapping[str, str]) -> bool:
    """Whether what is staged loses nothing, beyond doubt."""
    git_dir = environ.get("GIT_DIR", ".git")
    if not os.path.isdir(git_dir) or any(os.path.exists(os.path.join(git_dir, name)) for name in BUSY):
        return False
    try:
        git = QuickGit(environ)
        look(git, staged_files(git, environ.get(STAGED)))
    except (GiveUp, ValueError, LookupError, OSError):
        return False
    return True


def need(holds: object) -> None:
    """Give up unless something holds."""
    if not holds:
        raise GiveUp


def staged_files(git: QuickGit, told: str | None) -> Staged:
    """What is staged: as the hook was `told` by git, for it has to ask too, else by asking again."""
    if told:
        lines = [line.partition(b"\t") for line in os.fsencode(told).split(b"\n")]
        need(all(meta[:1] == b":" and path and path[:1] != b'"' for meta, _, path in lines))
        return [(path, meta.split(b" ")) for meta, _, path in lines]
    raw = git.ask("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "HEAD")
    need(raw is not None)
    fields = (raw or b"").split(b"\0")
    return [(path, meta.split(b" ")) for meta, path in zip(fields[0:-1:2], fields[1::2], strict=False)]


def look(git: QuickGit, staged: Staged) -> None:
    """Look at what is staged; raise GiveUp unless it is one of the cases that are settled here."""
    need(not git.settings(r"^metadiff\.guard\."))
    likely = {path: words for path, words in staged if is_likely(path)}
    need(all(path in likely or not is_patchy(path) for path, _ in staged))
    plain = unlisted(git, likely)
    patches = {path: words for path, words in likely.items() if path not in plain}
    need(len(patches) <= MOST_PATCHES)
    base = {path for path, _ in staged if path not in patches}
    by_folder: dict[bytes, list[bytes]] = {}
    for path, words in patches.items():
        need(words[4] == b"M" and words[0] == b":" + REGULAR and words[1] == REGULAR)
        by_folder.setdefault(folder_of(path), []).append(path)
    for folder, paths in by_folder.items():
        look_at_folder(git, folder, {path: (patches[path][2], patches[path][3]) for path in paths}, base)


def is_likely(path: bytes) -> bool:
    """Whether a path lies in what may be a patch folder."""
    return b"patch" in path.rpartition(b"/")[0].lower()


def is_patchy(path: bytes) -> bool:
    """Whether a path may be of a series in a folder of any name: `queue-6.1/series`."""
    return b"/" in path and (path.endswith(PATCH) or path.endswith(b"/series"))


def unlisted(git: QuickGit, paths: Iterable[bytes]) -> set[bytes]:
    """Those paths that are no patches, in folders that list none: `src/dispatch/loop.c`."""
    others = [path for path in paths if not path.endswith(PATCH)]
    folders = sorted({folder_of(path) for path in others})
    names = [b":" + folder + end for folder in folders for end in (b"/series", b"/.patches")]
    held = dict(zip(names, git.blobs(names), strict=True))
    listed = {name[1:].rpartition(b"/")[0] for name, content in held.items() if content is not None}
    return {path for path in others if folder_of(path) not in listed and path.rpartition(b"/")[2] not in LISTINGS}


def folder_of(path: bytes) -> bytes:
    """The outermost folder above a path that may be one of patches."""
    parts = path.split(b"/")[:-1]
    for count, part in enumerate(parts, 1):
        if b"patch" in part.lower():
            return b"/".join(parts[:count])
    raise GiveUp


def look_at_folder(git: QuickGit, folder: bytes, changed: dict[bytes, tuple[bytes, bytes]], base: set[bytes]) -> None:
    """Look at the patches of one series that changed."""
    ids = [oid for pair in changed.values() for oid in pair]
    series, *texts = git.blobs([b":" + folder + b"/series", *ids])
    need(series is not None and None not in texts)
    entries = [line.split() for line in (series or b"").split(b"\n") if line.split() and line[:1] != b"#"]
    need(all(len(words) == 1 or words[1:] == [b"-p1"] or words[1][:1] == b"#" for words in entries))
    order = [folder + b"/" + words[0] for words in entries]
    need(len(set(order)) == len(order) and set(changed) <= set(order) | {folder + b"/README"})
    known = [text or b"" for text in texts]
    pairs = [(read(known[2 * at]), read(known[2 * at + 1])) for at in range(len(changed))]
    touched = sorted({path for pair in pairs for files in pair for path in files})
    need(base.isdisjoint(touched) and touched)
    contents = git.blobs([b":" + path for path in (*order, *touched)])
    need(None not in contents)
    held = [content or b"" for content in contents]
    current = dict(zip(order, held, strict=False))
    release = {path: b"\n" + text for path, text in zip(touched, held[len(order) :], strict=True)}
    tails = [path.rpartition(b"/")[2] for path in touched]
    stack = [path for path in order if path in changed or any(tail in current[path] for tail in tails)]
    alone = len(stack) == len(changed) == 1
    for old, new in pairs:
        compare(old, new, release, alone=alone)
    if not alone:
        check_stack(git, [current[path] for path in stack], touched)


def check_stack(git: QuickGit, texts: list[bytes], touched: list[bytes]) -> None:
    """Whether patches of the same files apply, one after the other."""
    includes = [f"--include={os.fsdecode(path)}" for path in touched]
    need(not any(char in os.fsdecode(path) for path in touched for char in "*?[\\"))
    joined = b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts)
    options = ("--check", "--cached", "--whitespace=nowarn", "--no-ignore-whitespace", "-p1")
    need(git.ask("apply", *options, *includes, "-", stdin=joined) is not None)


def read(text: bytes) -> Files:
    """The hunks of a patch, by file; names lose their first part."""
    need(b"\r" not in text and b"<<<<<<<" not in text and b">>>>>>>" not in text)
    lines, files = text.split(b"\n"), Files()
    need(not any(line.startswith(UNUSUAL) for line in lines))
    at = 0
    while at < len(lines):
        if lines[at].startswith(b"--- ") and lines[at + 1].startswith(b"+++ ") and lines[at + 2].startswith(b"@@ -"):
            names = {lines[at + side][4:].split(b"\t")[0].partition(b"/")[2] for side in (0, 1)}
            need(len(names) == 1)
            [name] = names
            need(name and name not in files)
            files[name] = []
            at += 2
            while at < len(lines) and lines[at].startswith(b"@@ -"):
                start, old, new = numbers(lines[at])
                stop = hunk_end(lines, at + 1, old, new)
                files[name].append(hunk_of(start, lines[at + 1 : stop]))
                at = stop
        else:
            need(not lines[at].startswith(b"@@ -"))
            at += 1
    need(files)
    return files


def numbers(header: bytes) -> tuple[int, int, int]:
    """Of `@@ -start,old +…,new @@`: the first line of the old side, and how many lines both have."""
    words = header.split(b" ", 4)
    need(len(words) > 3 and words[1][:1] == b"-" and words[2][:1] == b"+" and words[3] == b"@@")
    start, _, old = words[1][1:].partition(b",")
    return int(start), int(old or 1), int(words[2].partition(b",")[2] or 1)


def hunk_end(lines: list[bytes], at: int, old: int, new: int) -> int:
    """The line after a hunk, by its counts."""
    while old > 0 or new > 0:
        sign = lines[at][:1] or b" "
        need(sign in b" +-")
        old -= sign != b"+"
        new -= sign != b"-"
        at += 1
    need(old == new == 0 and not (at < len(lines) and lines[at].startswith(b"\\")))
    return at


def hunk_of(start: int, body: list[bytes]) -> Hunk:
    """A hunk with its changes."""
    old = tuple(line[1:] for line in body if line[:1] != b"+")
    need(old)
    changes: list[Change] = []
    at = seen = 0
    while at < len(body):
        if body[at][:1] not in (b"+", b"-"):
            at, seen = at + 1, seen + 1
            continue
        stop = at
        while stop < len(body) and body[stop][:1] in (b"+", b"-"):
            stop += 1
        removed = tuple(line[1:] for line in body[at:stop] if line[:1] == b"-")
        added = tuple(line[1:] for line in body[at:stop] if line[:1] == b"+")
        before = body[at - 1] if at else b""
        changes.append((removed, added, seen, before, body[stop] if stop < len(body) else b""))
        at, seen = stop, seen + len(removed)
    return start, old, changes


def compare(old: Files, new: Files, release: dict[bytes, bytes], *, alone: bool) -> None:
    """Whether every change of the older patch is in the newer one, where it was."""
    need(set(old) <= set(new))
    for path, hunks in old.items():
        fresh = list(placed(new[path], release[path], alone=alone))
        for change in placed(hunks, release[path], alone=alone):
            exact = next((one for one in fresh if one[:3] == change[:3]), None)
            edited = exact or next((one for one in fresh if is_edit(change, one)), None)
            need(edited is not None)
            fresh.remove(edited or change)
    for path in new.keys() - old.keys():
        list(placed(new[path], release[path], alone=alone))


def is_edit(old: Change, new: Change) -> bool:
    """Whether a change is the other one with other lines: at the same place, of the same code."""
    return old[2] == new[2] and old[0] == new[0] and bool(new[1] or not old[1]) and bool(old[0] or old[3:] == new[3:])


def placed(hunks: list[Hunk], content: bytes, *, alone: bool) -> Iterator[Change]:
    """The changes with their lines in the release; give up where a hunk may stand at several places, or at none.

    Where other patches come before, a hunk that the release itself does not hold counts as standing where it says.
    """
    for start, lines, changes in hunks:
        needle = b"\n" + b"\n".join(lines) + b"\n"
        at = content.find(needle)
        need(at >= 0 or not alone)
        need(at < 0 or content.find(needle, at + 1) < 0)
        first = content.count(b"\n", 0, at)
        for removed, added, offset, before, after in changes:
            yield removed, added, first + offset if at >= 0 else -start - offset, before, after
