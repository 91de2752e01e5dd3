"""Which upstream commits took changes of a patchset in, and which took their place away, told by one walk of history.

`git log -p` over the files in question shows for each commit between two releases which lines it added and removed. The
commit that removed most of the lines that a change stood on broke it; the one that first added what it adds took it in.
Lines are compared without their outer blanks, by the file's path, through renames that a commit shows.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.correspond.items import Item, Sides, map_of
from git_metadiff.correspond.upstream import Texts
from git_metadiff.git import Git
from git_metadiff.hunks import header_name
from git_metadiff.linemap import words_in
from git_metadiff.model import Forecast, UpstreamCommit, outcome

#: A line of fewer letters and digits is everywhere; it counts only where there is no other.
TELLING = 4
#: So many lines around a gap are what its change stood on.
AROUND = 3
#: So many names of commits go into one call of git.
MANY = 500
COMMIT = re.compile(rb"([0-9a-f]{40,64}) (.*)\n?")
HEADER = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
LOG = ("--literal-pathspecs", "log", "--format=%x00%H %s", "-p", "-U0", "-M", "--no-color", "--no-ext-diff", "--stdin")
NO_HISTORY = "the releases are not revisions, so no history tells which commits did it"
NOT_HERE = "the history between the releases is not whole here, so it does not tell which commits did it"
UNRELATED = "the releases share no history, so it does not tell which commits did it"
#: So many bytes of paths go into one walk of history.
MOST = 1 << 20


@dataclass(slots=True)
class Question:
    """A change, and the lines by which the commit is known that did it."""

    hunk: str
    kind: str  # `absorbed` or `broken`
    paths: set[bytes]
    came: set[bytes]  # lines that the commit added
    gone: set[bytes]  # lines that it removed
    answers: Counter[bytes] = field(default_factory=Counter)  # ids of commits, the newest first


def find_causes(git: Git, user: Git, old: str | None, new: str | None, questions: Sequence[Question]) -> Forecast:
    """The commits of `old..new` that answer the questions; `user` is the repository that knows the tags."""
    if old is None or new is None:
        return Forecast(NO_HISTORY)
    if user.settings(r"^extensions\.partialclone$"):  # each file of each commit would have to be fetched
        return Forecast(NOT_HERE)
    if git.try_run("merge-base", old, new).status != 0:
        return Forecast(UNRELATED)
    asked = [one for one in questions if one.came or one.gone]
    paths = sorted({path for one in asked for path in one.paths})
    subjects: dict[bytes, bytes] = {}
    for some in batches(paths):
        stdin = b"\n".join([new.encode(), b"^" + old.encode(), b"--", *some, b""])
        found = git.try_run(*LOG, stdin=stdin)
        if found.status != 0:
            return Forecast(NOT_HERE)
        read_log(found.out, asked, subjects)
    return Forecast("", tuple(collect(user, questions, subjects)))


def batches(paths: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The paths that can be asked for, in as few groups as the size of one question allows."""
    group: list[bytes] = []
    size = 0
    for path in paths:
        if b"\n" in path:  # the question has a line for each
            continue
        if size + len(path) > MOST:
            yield group
            group, size = [], 0
        group.append(path)
        size += len(path)
    if group:
        yield group


# Questions


def questions_of(sides: Sides, texts: Texts, claimed: dict[str, str]) -> Iterator[Question]:
    """What to ask of every change that is not carried; `claimed` are commits proven by headers, by hunk id."""
    for item in sides.old:
        word = outcome(item.verdict) if item.verdict is not None else "carried"
        if word == "carried" or item.superseded or item.hunk.kind != "text":
            continue
        kind = "absorbed" if word == "absorbed" else "broken"
        question = Question(item.hunk.id, kind, {item.file, sides.sources.get(item.file, item.file)}, set(), set())
        if kind == "absorbed" and item.hunk.id in claimed:
            question.answers[claimed[item.hunk.id].encode()] = 1
        elif kind == "absorbed" and item.change.added:
            question.came = telling(item.change.added)
        elif kind == "absorbed":
            question.gone = telling(item.change.removed)
        elif item.reason in ("file-exists", "path-taken"):
            question.came = telling(item.change.added)
        else:
            question.gone = telling(stood_on(item, sides, texts))
        yield question


def stood_on(item: Item, sides: Sides, texts: Texts) -> list[bytes]:
    """The lines of U1 that a change took out or stood between, and that upstream took away."""
    start, stop = item.base
    lines, known = texts("old", item.file), map_of(sides, item.file)
    if not known.blocks:  # the file is gone
        return [*item.change.removed, *item.change.before, *item.change.after]
    for low, high in ((start, stop), (start - AROUND, stop + AROUND)):
        inside = range(max(0, low), min(high, len(lines)))
        gone = [lines[at] for at in inside if known.line(at) is None]
        if gone:
            return gone
    return []


def telling(lines: Iterable[bytes]) -> set[bytes]:
    """The lines that say something, without their outer blanks; all of them if none does."""
    found = {text.strip() for text in lines}
    return {text for text in found if words_in(text) >= TELLING} or found - {b""}


# The log


def read_log(text: bytes, questions: Sequence[Question], subjects: dict[bytes, bytes]) -> None:
    """Count for every question what each commit of a log did to its lines."""
    by_line: dict[tuple[bytes, bytes], list[tuple[Question, int]]] = defaultdict(list)
    for one in questions:
        for path in one.paths:
            for line in one.came:
                by_line[path, line].append((one, 1))
            for line in one.gone:
                by_line[path, line].append((one, -1))
    wanted = {path for path, _ in by_line}
    for entry in text.split(b"\0")[1:]:
        head = COMMIT.match(entry)
        if head is None:  # a NUL of some file
            continue
        commit, subjects[head[1]], diff = head[1], head[2], entry[head.end() :]
        for key, count in net_lines(diff, wanted).items():
            for question, sign in by_line.get(key, ()):
                if count * sign > 0:
                    question.answers[commit] += 1


def net_lines(diff: bytes, wanted: set[bytes]) -> Counter[tuple[bytes, bytes]]:
    """How many times more a commit's diff adds a line to a file than it removes it; of the files `wanted`."""
    found: Counter[tuple[bytes, bytes]] = Counter()
    names: tuple[bytes, bytes] = (b"", b"")
    left = 0
    for text in diff.split(b"\n"):
        if left and text[:1] in (b"-", b"+"):
            left -= 1
            for name in set(names) & wanted:
                found[name, text[1:].strip()] += 1 if text[:1] == b"+" else -1
        elif text.startswith(b"--- "):
            names = (name_of(text), b"")
        elif text.startswith(b"+++ "):
            names = (names[0], name_of(text))
        elif match := HEADER.match(text):
            left = sum(int(count or b"1") for count in match.groups())
    return found


def name_of(header: bytes) -> bytes:
    """The path in a `---` or `+++` line."""
    return (header_name(header[4:]) or b"").partition(b"/")[2]


# The answers


def collect(user: Git, questions: Sequence[Question], subjects: dict[bytes, bytes]) -> list[UpstreamCommit]:
    """The commits that answer most questions first, each with its hunks."""
    groups: dict[tuple[str, bytes], dict[str, None]] = defaultdict(dict)
    for one in questions:
        if one.answers:
            groups[one.kind, best(one)][one.hunk] = None
    ids = sorted({commit for _, commit in groups})
    tags = first_tags(user, ids)
    missing = [commit for commit in ids if commit not in subjects]
    for commit in missing:
        found = user.try_run("log", "-1", "--format=%s", commit.decode())
        subjects[commit] = found.out.strip() if found.status == 0 else b""
    told = [
        UpstreamCommit(kind, commit.decode(), readable(subjects[commit]), tags.get(commit, ""), tuple(hunks))
        for (kind, commit), hunks in groups.items()
    ]
    return sorted(told, key=lambda one: (one.kind, -len(one.hunks), one.commit))


def best(question: Question) -> bytes:
    """The commit with most of the lines: of equals the newest that removed them, the oldest that brought them."""
    most = max(question.answers.values())
    fitting = [commit for commit, count in question.answers.items() if count == most]
    return fitting[-1] if question.came else fitting[0]


def readable(subject: bytes) -> str:
    """A subject as text."""
    return subject.decode("utf-8", "backslashreplace")


def first_tags(user: Git, commits: Sequence[bytes]) -> dict[bytes, str]:
    """The first tag that contains each commit, where one does."""
    found = {}
    for at in range(0, len(commits), MANY):
        some = commits[at : at + MANY]
        said = user.try_run("name-rev", "--tags", *some)
        for line in said.out.splitlines() if said.status == 0 else ():
            commit, _, name = line.partition(b" ")
            if name.startswith(b"tags/"):  # else it is "undefined"
                tag = re.split(rb"[~^]", name.removeprefix(b"tags/"), maxsplit=1)[0]
                found[commit] = tag.decode("utf-8", "backslashreplace")
    return found
