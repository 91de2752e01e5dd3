"""Which upstream commits patches come from, by their headers, and what the history of upstream says of that."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.git import Git
from git_metadiff.headers import Header, read_header, version_of
from git_metadiff.model import Patch
from git_metadiff.series import Claim

REVERT = re.compile(rb"^This reverts commit ([0-9a-f]{7,64})", re.MULTILINE)
UNKNOWN_OPTION = 129
HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")

Lines = dict[bytes, frozenset[bytes]]


@dataclass(frozen=True, slots=True)
class Upstream:
    """Two neighbouring releases: their names, and their commits where they are revisions."""

    old: str | None
    new: str | None
    name: str  # of the newer one


def find_claims(git: Git, patches: Iterable[Patch], upstream: Upstream) -> dict[int, Claim]:
    """What is known of the upstream commit of each of these patches, by their index; nothing for most."""
    headers = {patch.index: read_header(patch.message, patch.author) for patch in patches}
    headers = {at: one for at, one in headers.items() if one.commits or one.release or one.mail or one.change_id}
    if not headers:
        return {}
    history = History(git, upstream, headers.values())
    found = {at: make_claim(header, history, upstream) for at, header in headers.items()}
    proven = {claim.commit for claim in found.values() if claim is not None and claim.proven and claim.commit}
    lines = changed_by(git, sorted(proven))
    return {at: with_lines(claim, lines) for at, claim in found.items() if claim is not None}


def asks_history(message: bytes) -> bool:
    """Whether the header of a patch names anything that history could prove."""
    header = read_header(message)
    return bool(header.commits or header.mail or header.change_id)


def with_lines(claim: Claim, lines: Mapping[str, Lines]) -> Claim:
    """The claim with the lines that its commit changes."""
    return Claim(claim.commit, claim.proven, claim.words, lines.get(claim.commit or "", {}))


class History:
    """What upstream's history holds of the commits that headers name; nothing where there is no history."""

    def __init__(self, git: Git, upstream: Upstream, headers: Iterable[Header]) -> None:
        self.full: dict[str, str] = {}  # name in a header -> id of a commit that is there
        self.between: set[str] = set()  # those that the newer release has and the older has not
        self.by_change: dict[str, str] = {}  # Change-Id -> such a commit
        headers = list(headers)
        if upstream.old is None or upstream.new is None:
            return
        names = dict.fromkeys(name for one in headers for name in (*one.commits, one.mail) if name)
        full = find_commits(git, list(names))
        changes = changes_between(git, upstream.old, upstream.new, {one.change_id for one in headers} - {""})
        known = sorted({*full.values(), *changes.values()})
        lacking, had = (missing_from(git, known, tip) for tip in (upstream.new, upstream.old))
        if lacking is None or had is None:
            return
        self.full = full
        self.between = {one for one in known if one not in lacking and one in had}
        if self.between:
            self.between -= reverted(git, upstream.old, upstream.new)
        self.by_change = {change: one for change, one in changes.items() if one in self.between}


def make_claim(header: Header, history: History, upstream: Upstream) -> Claim | None:
    """The claim of one header, with its proof if history has one; None if it claims nothing."""
    known = [history.full[name] for name in header.commits if name in history.full]
    proven = [one for one in known if one in history.between]
    proven += [history.full[header.mail]] if history.full.get(header.mail) in history.between else []
    proven += [history.by_change[header.change_id]] if header.change_id in history.by_change else []
    if proven:
        return Claim(proven[0], True, f"upstream took it as {proven[0][:12]}, which {upstream.name} contains")
    if known:
        return Claim(known[0], False)
    if header.release:
        since, now = version_of(header.release), version_of(upstream.name)
        if since and now:
            words = f"its header says that upstream has it in {header.release}"
            return Claim(None, None if since <= now else False, words)
    if header.commits:
        return Claim(header.commits[0], None, f"its header names upstream's commit {header.commits[0][:12]}")
    return None


def find_commits(git: Git, names: Sequence[str]) -> dict[str, str]:
    """The full ids of the commits that are in the repository; a partial clone does not ask its remote for them."""
    if not names:
        return {}
    asked = "".join(f"{name}^{{commit}}\n" for name in names).encode()
    check = ("cat-file", "--batch-check=%(objecttype) %(objectname)")
    out = git.try_run("--no-lazy-fetch", *check, stdin=asked)
    if out.status == UNKNOWN_OPTION:  # before git 2.45
        out = git.try_run(*check, stdin=asked)
    answers = out.out.decode().splitlines() if out.status == 0 else []
    found = {}
    for name, answer in zip(names, answers, strict=False):
        kind, _, oid = answer.partition(" ")
        if kind == "commit":
            found[name] = oid
    return found


def missing_from(git: Git, commits: Sequence[str], tip: str) -> set[str] | None:
    """Those of `commits` that are not in the history of `tip`; None if the history is not whole."""
    if not commits:
        return set()
    result = git.try_run("rev-list", "--stdin", stdin="\n".join([*commits, f"^{tip}", ""]).encode())
    if result.status != 0:
        return None
    return set(commits) & set(result.out.decode().split())


def changes_between(git: Git, old: str, new: str, wanted: set[str]) -> dict[str, str]:
    """The commits between two releases that carry these Change-Ids."""
    if not wanted:
        return {}
    patterns = [f"--grep=Change-Id: {change}" for change in sorted(wanted)]
    result = git.try_run("log", "-F", "--no-color", "--format=%H%x00%B%x00", *patterns, new, f"^{old}", "--")
    fields = result.out.split(b"\0") if result.status == 0 else []
    found = {}
    for oid, message in zip(fields[::2], fields[1::2], strict=False):
        for change in re.findall(rb"^Change-Id: (I[0-9a-f]+)", message, re.MULTILINE):
            if change.decode() in wanted:
                found[change.decode()] = oid.strip().decode()
    return found


def reverted(git: Git, old: str, new: str) -> set[str]:
    """The commits that upstream took back between two releases, and did not bring back."""
    options = ("--topo-order", "-F", "--no-color", "--format=%H%x00%B%x00", "--grep=This reverts commit ")
    found = git.try_run("log", *options, new, f"^{old}", "--")
    fields = found.out.split(b"\0") if found.status == 0 else []
    pairs = [
        (oid.strip().decode(), match[1].decode())
        for oid, message in zip(fields[::2], fields[1::2], strict=False)
        for match in REVERT.finditer(message)
    ]
    full = find_commits(git, list(dict.fromkeys(name for _, name in pairs)))
    gone: set[str] = set()
    for oid, name in pairs:  # the newest first: a revert that was itself taken back does nothing
        if oid not in gone and name in full:
            gone.add(full[name])
    return gone


def changed_by(git: Git, commits: Sequence[str]) -> dict[str, Lines]:
    """The changed lines of commits with their sign, without outer blanks, by the base names of the files."""
    if not commits:
        return {}
    options = ("--stdin", "--root", "-r", "-p", "-U0", "--diff-merges=first-parent")
    result = git.try_run("diff-tree", *options, stdin="".join(f"{one}\n" for one in commits).encode())
    found: dict[str, dict[bytes, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    wanted = {one.encode() for one in commits}
    commit, names, left = "", (b"", b""), 0
    for text in result.out.split(b"\n") if result.status == 0 else ():
        if left and text[:1] in (b"-", b"+"):
            left -= 1
            for name in set(names):
                found[commit][name].add(text[:1] + text[1:].strip())
        elif text in wanted:
            commit = text.decode()
        elif text.startswith(b"--- "):
            names = (base_name(text), b"")
        elif text.startswith(b"+++ "):
            names = (names[0], base_name(text))
        elif match := HUNK.match(text):
            left = sum(int(count or b"1") for count in match.groups())
    return {oid: {name: frozenset(lines) for name, lines in files.items()} for oid, files in found.items()}


def base_name(header: bytes) -> bytes:
    """The last part of the name in a `---` or `+++` line."""
    return header[4:].rpartition(b"/")[2].rstrip(b'"\t')
