"""The correspondence of patches: which patch of one series is which of the next, n to m, and what became of each.

It rests on that of the hunks, weighed by their changed lines; a pair of patches must share at least a fifth of the
smaller one's, or two unrelated patches that both add a brace would be partners. Names and messages, where they are
allowed as evidence, find a patch again that was rewritten.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Indel

from git_metadiff.headers import Header, read_header
from git_metadiff.linemap import words_in
from git_metadiff.model import PAIRED, SHAPES, WORST_FIRST, Edge, Hunk, Patch, PatchEdge, PatchVerdict, Verdict, worst

#: Least share of the smaller patch's changed lines that a pair has in common.
LEAST = 0.2
#: The same for a pair of which no hunk corresponds, counted over lines that tell something; and how many at least.
LEAST_BY_LINES = 0.7
LEAST_LINES = 3
#: Least likeness of patches that share fewer lines, but of which most hunks correspond. Not from the diffs alone:
#: where names are no evidence, a pair stands by the lines that it shares or not at all.
ALIKE = 0.6
#: A partner that has so much of a patch leaves none of it to a namesake that shares less.
TAKEN = 0.5
#: A line of fewer letters and digits is in any patch; one that more patches hold tells nothing about a pair.
TELLING = 10
RARE = 4
#: Bytes of a patch that is searched for `index` lines.
LARGEST = 1 << 20
#: A shorter message is said of many patches.
LONG_MESSAGE = 40
INDEX = re.compile(rb"^index ([0-9a-f]{7,64})\.\.([0-9a-f]{7,64})(?: \d+)?$", re.MULTILINE)
PREFIX = re.compile(r"^(?:(?:re|fwd?):\s*|\[[^\]]*\]\s*)*", re.IGNORECASE)
UPSTREAM_COMMIT = "upstream-commit"

Pair = tuple[int, int]
Lines = Counter[bytes]
Common = tuple[int, int]
Verdicts = Mapping[str, tuple[Verdict, ...]]


@dataclass(frozen=True, slots=True)
class Series:
    """A patchset as this stage sees it."""

    patches: Sequence[Patch]
    hunks: Sequence[Hunk]
    contents: Sequence[bytes] = ()  # the text of each patch, for its `index` lines; or nothing


@dataclass(slots=True)
class Whole:
    """A patch with all that it changes."""

    patch: Patch
    hunks: list[Hunk] = field(default_factory=list)
    lines: Lines = field(default_factory=Counter)
    content: bytes = b""
    _told: Lines | None = None

    @property
    def told(self) -> Lines:
        """The lines that tell something, each once, without outer blanks. Asked of few: it takes its time."""
        if self._told is None:
            kept = (text[:1] + text[1:].strip() for text in self.lines if words_in(text) >= TELLING)
            self._told = Counter(dict.fromkeys(kept, 1))
        return self._told

    @property
    def header(self) -> Header:
        """What its header tells."""
        return read_header(self.patch.message, self.patch.author)

    @property
    def index(self) -> set[tuple[bytes, bytes]]:
        """The pairs of ids of its `index` lines, abbreviated; a monolith is not searched for them."""
        content = self.content if len(self.content) <= LARGEST else b""
        return {(match[1][:7], match[2][:7]) for match in INDEX.finditer(content)}

    @property
    def size(self) -> int:
        """How many lines it changes; a hunk without lines counts as one."""
        return self.lines.total()


@dataclass(slots=True)
class Link:
    """What the hunks of two patches have to do with each other."""

    old: set[str] = field(default_factory=set)  # hunks of the older patch
    new: set[str] = field(default_factory=set)
    likest: dict[str, float] = field(default_factory=dict)  # hunk -> similarity of its best edge
    kinds: list[str] = field(default_factory=list)
    #: some hunk does more than share the partners of the one that superseded it, or move with lines that tell nothing
    solid: bool = False

    def cover(self, old: Whole, new: Whole) -> tuple[float, float]:
        """The shares of both patches' changed lines that correspond: those of hunks with a partner, by similarity."""
        if not self.solid:
            return 0.0, 0.0
        weights = (
            sum(len(changed_lines(hunk)) * self.likest[hunk.id] for hunk in one.hunks if hunk.id in partners)
            for one, partners in ((old, self.old), (new, self.new))
        )
        first, second = weights
        return first / max(1, old.size), second / max(1, new.size)


def wholes(series: Series) -> list[Whole]:
    """The patches of a series with their lines."""
    found = [Whole(patch) for patch in series.patches]
    for hunk in series.hunks:
        found[hunk.patch].hunks.append(hunk)
    for one in found:
        one.lines = Counter([text for hunk in one.hunks for text in changed_lines(hunk)])
    for one, content in zip(found, series.contents, strict=False):
        one.content = content
    return found


def changed_lines(hunk: Hunk) -> list[bytes]:
    """The changed lines of a hunk with their sign; of one without lines, what it does to which file."""
    if hunk.kind != "text":
        return [b"*%b %b %b" % (hunk.kind.encode(), hunk.essence.encode("utf-8", "surrogateescape"), hunk.path)]
    return [text for text in hunk.body if text.startswith((b"+", b"-"))]


def match_patches(release: int, old: Series, new: Series, edges: Iterable[Edge], *, names: bool) -> list[PatchEdge]:
    """The edges between two series; `names` says whether names and messages are evidence."""
    olds, news = wholes(old), wholes(new)
    links = link_patches(olds, news, edges)
    both = {(a, b): common(olds[a].lines, news[b].lines) for a, b in links}
    shares = {(a, b): share(olds[a].lines, news[b].lines, both[a, b]) for a, b in links}
    pairs = {
        pair: {"hunks"}
        for pair in links
        if corresponds(olds[pair[0]], news[pair[1]], links[pair], shares[pair])
        or (names and is_rewritten(olds[pair[0]], news[pair[1]], links[pair]))
    }
    pairs.update((pair, {"lines"}) for pair in by_lines(olds, news, pairs))
    if names:
        for pair, said in by_names(olds, news, links, shares, pairs).items():
            pairs.setdefault(pair, set()).update(said)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return [
        make_edge(
            release,
            (olds[a], news[b]),
            links.get((a, b)),
            both.get((a, b)),
            SHAPES[2 * (second[b] > 1) + (first[a] > 1)],
            sorted(evidence),
        )
        for (a, b), evidence in sorted(pairs.items())
    ]


def link_patches(olds: Sequence[Whole], news: Sequence[Whole], edges: Iterable[Edge]) -> dict[Pair, Link]:
    """Gather the edges of hunks by the patches at their ends."""
    mine = {hunk.id: hunk for one in olds for hunk in one.hunks}
    theirs = {hunk.id: hunk for one in news for hunk in one.hunks}
    links: dict[Pair, Link] = defaultdict(Link)
    for edge in edges:
        if edge.a in mine and edge.b in theirs:
            a, b = mine[edge.a], theirs[edge.b]
            link = links[a.patch, b.patch]
            solid = edge.evidence != ("superseded",) and (edge.kind != "moved" or tells(a))
            if solid and not link.solid:
                links[a.patch, b.patch] = link = Link(solid=True)
            if solid or not link.solid:
                link.old.add(a.id)
                link.new.add(b.id)
                link.kinds.append(edge.kind)
                for name in (a.id, b.id):
                    link.likest[name] = max(edge.similarity, link.likest.get(name, 0.0))
    return links


def tells(hunk: Hunk) -> bool:
    """Whether a changed line of a hunk says enough to be known again elsewhere."""
    return any(words_in(text) >= TELLING for text in changed_lines(hunk))


def share(one: Lines, other: Lines, known: Common | None = None) -> float:
    """The share of the smaller one's lines that both have, 0 to 1; `known` is what `common` says of them.

    Counted with and without repetitions, the smaller figure taken: a brace a hundred times is no likeness.
    """
    least, fewest = min(one.total(), other.total()), min(len(one), len(other))
    if not least:
        return 0.0
    total, distinct = known or common(one, other)
    return min(total / least, distinct / fewest)


def common(one: Lines, other: Lines) -> Common:
    """How many lines both have, and how many different ones."""
    shared = one.keys() & other.keys()
    return sum([min(one[text], other[text]) for text in shared]), len(shared)


def corresponds(old: Whole, new: Whole, link: Link, shared: float) -> bool:
    """Whether the hunks that two patches have in common make them partners."""
    if shared < LEAST:
        return False
    if shared >= TAKEN and link.solid:
        return True
    return link.cover(old, new)[old.size > new.size] >= LEAST or share(old.told, new.told) >= LEAST


def is_rewritten(old: Whole, new: Whole, link: Link) -> bool:
    """Whether two patches that share fewer lines are one, rewritten: most of their hunks correspond and look alike."""
    return min(link.cover(old, new)) >= TAKEN and likeness(old, new) >= ALIKE


def likeness(old: Whole, new: Whole) -> float:
    """Indel similarity of the changed text of two patches, 0 to 1."""
    first, second = (b"\n".join(text for hunk in one.hunks for text in changed_lines(hunk)) for one in (old, new))
    return float(Indel.normalized_similarity(first[:20000], second[:20000]))


def by_lines(olds: Sequence[Whole], news: Sequence[Whole], pairs: Mapping[Pair, object]) -> Iterator[Pair]:
    """Pairs of patches that are still alone and share most of their lines, though no hunk of theirs corresponds."""
    busy_old, busy_new = {a for a, _ in pairs}, {b for _, b in pairs}
    index: dict[bytes, list[int]] = defaultdict(list)
    for at, one in enumerate(news):
        if at not in busy_new:
            for text in one.told:
                index[text].append(at)
    scored = []
    for at, one in enumerate(olds):
        if at in busy_old:
            continue
        votes = Counter(b for text in one.told if len(index.get(text, ())) <= RARE for b in index.get(text, ()))
        for b, _ in votes.most_common(RARE):
            told, _ = common(one.told, news[b].told)
            points = told / max(1, min(one.told.total(), news[b].told.total()))
            if told >= LEAST_LINES and points >= LEAST_BY_LINES and share(one.lines, news[b].lines) >= LEAST:
                scored.append((-points, at, b))
    for _, a, b in sorted(scored):
        if a not in busy_old and b not in busy_new:
            busy_old.add(a)
            busy_new.add(b)
            yield a, b


# Names


def by_names(
    olds: Sequence[Whole],
    news: Sequence[Whole],
    links: Mapping[Pair, Link],
    shares: Mapping[Pair, float],
    pairs: Mapping[Pair, object],
) -> dict[Pair, set[str]]:
    """What names and messages say: of pairs that stand already, and of those that they make."""
    said: dict[Pair, set[str]] = defaultdict(set)
    for word, keys in (("name", name_of), ("subject", subject_of), ("message", message_of), ("change-id", change_of)):
        for pair in same_key([keys(one) for one in olds], [keys(one) for one in news]):
            said[pair].add(word)
    for a, b in {*pairs, *said}:
        if olds[a].header.author and olds[a].header.author == news[b].header.author:
            said[a, b].add("author")
        if olds[a].index & news[b].index:
            said[a, b].add("index")
    taken_old = {a for a, b in pairs if shares.get((a, b), 0.0) >= TAKEN}
    taken_new = {b for a, b in pairs if shares.get((a, b), 0.0) >= TAKEN}

    def stands(pair: Pair) -> bool:
        a, b = pair
        if pair in pairs:
            return True
        if a in taken_old or b in taken_new:
            return False
        return "change-id" in said[pair] or pair in links or related(olds[a], news[b])

    return {pair: words for pair, words in said.items() if words and stands(pair)}


def related(old: Whole, new: Whole) -> bool:
    """Whether two patches of one name touch a file of one name, or nothing at all."""
    first, second = ({hunk.path.rpartition(b"/")[2] for hunk in one.hunks} for one in (old, new))
    return bool(first & second) or not (first or second)


def name_of(one: Whole) -> object:
    """The file name of a patch, without its folder; None for an id of a commit."""
    return None if re.fullmatch(r"[0-9a-f]{7,64}", one.patch.name) else one.patch.name.rpartition("/")[2]


def subject_of(one: Whole) -> object:
    """The subject without what mail puts before it."""
    return PREFIX.sub("", one.patch.subject or "").strip().rstrip(".").lower() or None


def message_of(one: Whole) -> object:
    """The message without its first line and its fields, if it is long enough to be nobody else's."""
    kept = (text.strip() for text in one.patch.message.splitlines()[1:])
    body = b"\n".join(text for text in kept if text and not re.match(rb"[\w-]+:|From |---|\(cherry", text))
    return body if len(body) >= LONG_MESSAGE else None


def change_of(one: Whole) -> object:
    """Gerrit's id of the change."""
    return one.header.change_id or None


def same_key(olds: Sequence[object], news: Sequence[object]) -> Iterator[Pair]:
    """The pairs of places that hold a key which each side has once."""
    first, second = Counter(olds), Counter(news)
    where = {key: at for at, key in enumerate(news)}
    for at, key in enumerate(olds):
        if key is not None and first[key] == second[key] == 1:
            yield at, where[key]


# Edges


def make_edge(
    release: int, pair: tuple[Whole, Whole], link: Link | None, known: Common | None, shape: str, evidence: list[str]
) -> PatchEdge:
    """An edge between two patches; its kind is the worst of the hunks' that it stands for."""
    old, new = pair
    kinds = set(link.kinds) if link is not None else set()
    differs = old.lines != new.lines
    kind = min(kinds, key=WORST_FIRST.index) if kinds else "edited" if differs else "refreshed"
    whole = link is not None and len(link.old) == len(old.hunks) and len(link.new) == len(new.hunks)
    if shape == "one" and not whole and kind in ("kept", "refreshed") and differs:
        kind = "edited"  # what is left of it stands unchanged
    total = old.size + new.size
    similarity = 2 * (known or common(old.lines, new.lines))[0] / total if total else 1.0
    return PatchEdge(release, old.patch.index, new.patch.index, similarity, kind, shape, tuple(evidence))


# Verdicts


@dataclass(frozen=True, slots=True)
class Claim:
    """The upstream commit, or release, that the header of a patch names, and what history says of it."""

    commit: str | None = None  # in full where it is known
    #: It is in the later release and not in the earlier (True), it is elsewhere (False), nothing tells (None).
    proven: bool | None = None
    words: str = ""
    #: Proven: the changed lines of the commit by the base name of the file.
    lines: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)


def absorb_named(
    hunks: Iterable[Hunk], fates: Verdicts, claims: Mapping[int, Claim], untouched: set[tuple[str, int]]
) -> dict[str, tuple[Verdict, ...]]:
    """The fates that change because a patch names the upstream commit that it came from, by hunk id.

    `claims` are those of patches that are gone from the newer series; `untouched` the changes, as hunk id and number,
    that still have their whole, unchanged place in the newer release: there, without a proof by history, the text says
    that upstream does not have it, whatever a header says.
    """
    found = {}
    for hunk in hunks:
        claim = claims.get(hunk.patch)
        if claim is None or claim.proven is False:
            continue
        verdicts = fates[hunk.id]
        now = tuple(
            Verdict("absorbed", None, UPSTREAM_COMMIT, claim.words)
            if is_taken(hunk, at, verdict, claim, (hunk.id, at) in untouched)
            else verdict
            for at, verdict in enumerate(verdicts)
        )
        if now != verdicts:
            found[hunk.id] = now
    return found


def follow(
    hunks: Iterable[Hunk], superseded: Mapping[str, str], fates: Verdicts, changed: Verdicts
) -> dict[str, tuple[Verdict, ...]]:
    """`changed`, and the fates of hunks that were replaced by those: they share the fate of what replaced them."""
    found = dict(changed)
    for hunk in reversed(list(hunks)):
        later = found.get(superseded.get(hunk.id, ""))
        if later is None or any(one.word != "absorbed" for one in later):
            continue
        found[hunk.id] = tuple(
            Verdict("absorbed", None, one.reason, one.text)
            if (one.word, one.reason) == ("orphaned", "superseded")
            else one
            for one in found.get(hunk.id, fates[hunk.id])
        )
    return found


def is_taken(hunk: Hunk, at: int, verdict: Verdict, claim: Claim, untouched: bool) -> bool:
    """Whether a lost change is proven to be upstream's by the commit that its patch names."""
    if verdict.word not in ("dropped", "orphaned") or verdict.reason == "superseded":
        return False
    if not claim.proven:
        return verdict.word == "orphaned" or not untouched
    theirs = claim.lines.get(hunk.path.rpartition(b"/")[2])
    if theirs is None:
        return False
    if verdict.word == "orphaned":
        return True
    change = hunk.changes[at]
    mine = [b"-" + text.strip() for text in change.removed] + [b"+" + text.strip() for text in change.added]
    told = [text for text in mine if words_in(text) >= TELLING] or mine
    return 2 * sum(text in theirs for text in told) >= len(told) > 0


def retell_edges(edges: Iterable[Edge], changed: Verdicts) -> list[Edge]:
    """The edges, those of changed hunks to upstream's hunks carrying the new fate."""
    return [
        Edge(edge.a, edge.b, "absorbed", edge.similarity, edge.evidence)
        if edge.a in changed
        and edge.kind == "orphaned"
        and edge.b.startswith("upstream:")
        and all(verdict.word != "orphaned" for verdict in changed[edge.a])
        else edge
        for edge in edges
    ]


def judge_patches(
    release: int, side: str, series: Series, verdicts: Verdicts, edges: Sequence[PatchEdge], claims: Mapping[int, Claim]
) -> list[PatchVerdict]:
    """The verdict of each patch that has hunks: `fate` for the older series of an edge, `origin` for the newer."""
    mine: dict[int, list[PatchEdge]] = defaultdict(list)
    for edge in edges:
        mine[edge.a if side == "fate" else edge.b].append(edge)
    by_patch: dict[int, list[Verdict]] = defaultdict(list)
    for hunk in series.hunks:
        by_patch[hunk.patch].append(weigh(verdicts[hunk.id]))
    found = []
    for patch in series.patches:
        if patch.index in by_patch:
            verdict = judge_patch(by_patch[patch.index], mine[patch.index])
            claim = claims.get(patch.index)
            taken = any(one.word == "absorbed" for one in by_patch[patch.index])
            named = claim if taken and claim is not None and claim.proven is not False else Claim()
            found.append(PatchVerdict(release, patch.index, side, verdict, named.commit, checked=named.proven is True))
    return found


def weigh(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The verdict of a hunk; what a later patch of its series replaced counts only where there is nothing else."""
    return worst(tuple(one for one in verdicts if one.reason != "superseded") or verdicts)


def judge_patch(verdicts: Sequence[Verdict], edges: Sequence[PatchEdge]) -> Verdict:
    """The verdict of a patch: the worst of its hunks'.

    A new hunk in a patch that lived on is an edit of the patch, and so is any loss on its other end. A patch without a
    partner of which every hunk stands in other patches is not lost.
    """
    standing = [one for one in verdicts if one.reason != "superseded"] or list(verdicts)
    found = worst(tuple(standing))
    if edges and found.word == "new":
        return Verdict("edited", found.cause, found.reason, tally(verdicts, found.word))
    if edges and found.word in ("kept", "refreshed", "moved"):
        kinds = [edge.kind for edge in edges]
        if "edited" in kinds and found.reason != "misplaced":
            return Verdict("edited", "downstream", None, "hunks were added to it or taken out")
    if not edges and found.word in PAIRED:
        return Verdict(found.word, found.cause, "scattered", "its hunks stand in other patches")
    stray = next((one for one in standing if one.reason == "misplaced"), None)
    reason = stray.reason if stray is not None else found.reason
    return Verdict(found.word, found.cause, reason, tally(verdicts, found.word))


def tally(verdicts: Sequence[Verdict], word: str) -> str:
    """`2 of its 9 hunks`, where not all are alike."""
    alike = sum(one.word == word for one in verdicts)
    return f"{alike} of its {len(verdicts)} hunks" if alike < len(verdicts) else ""
