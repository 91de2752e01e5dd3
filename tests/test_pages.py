"""The hunt for pages that change behind one's back: simulated files that go wrong, and real ones that do not."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from git_metadiff.errors import MetadiffError
from git_metadiff.render.verify import against as against_text
from git_metadiff.render.verify import diagnosis as diagnosis_text
from git_metadiff.render.view import View
from git_metadiff.verify import Diagnosis, diagnose, hold_against
from git_metadiff.verify import diagnosis as stages
from git_metadiff.verify.diagnosis import Plan, differing, unit_of
from git_metadiff.verify.pages import PAGE, RealPages, State, Way, kind_of
from tests.conftest import ROOT, Metadiff

SCHEMA = json.loads((ROOT / "git_metadiff" / "data" / "verify.schema.json").read_text())
#: Where the stray writer of the story hit.
STRAY = 0x6A6


def content(pages: int, tail: int = 100) -> bytes:
    """A file whose pages are all different."""
    return b"".join(hashlib.sha256(b"%d" % at).digest() * (PAGE // 32) for at in range(pages)) + b"t" * tail


def hit(data: bytes, page: int, offset: int = STRAY, mark: bytes = b"\xde\xad") -> bytes:
    """`data` with two other bytes in a page."""
    at = page * PAGE + offset
    assert data[at : at + len(mark)] != mark
    return data[:at] + mark + data[at + len(mark) :]


class Simulated:
    """A file of which every reading can be another. `cache` and `disk` give its content at a reading, from 1."""

    def __init__(
        self,
        cache: Callable[[int], bytes],
        disk: Callable[[int], bytes],
        way: Way = "direct",
        mtime: Callable[[int], int] = lambda number: 0,
    ) -> None:
        self.way: Way = way
        self._cache, self._disk, self._mtime = cache, disk, mtime
        self.number = 0
        self.dropped: dict[int, bytes] = {}  # pieces that were read from the disk since

    def state(self) -> State:
        return State(len(self._cache(max(1, self.number))), self._mtime(self.number))

    def cached(self, at: int, length: int) -> bytes:
        self.number += at == 0
        return self._cache(self.number)[at : at + length]

    def disk(self, at: int, length: int) -> bytes | None:
        return None if self.way == "none" else self._disk(self.number)[at : at + length]

    def frames(self, at: int, count: int) -> Sequence[int | None]:
        return [0x1000 + at // PAGE + place for place in range(count)]


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def look(file: Simulated, plan: Plan | None = None, expected: Mapping[str, str] | None = None) -> Diagnosis:
    """Diagnose a simulated file."""
    clock = Clock()
    return diagnose(file, expected or {}, plan or Plan(), None, clock, clock.sleep)


def sha256(data: bytes) -> dict[str, str]:
    """The digests that a file should have."""
    return {"sha256": hashlib.sha256(data).hexdigest()}


def text_of(found: Diagnosis, **options: bool) -> str:
    """What a person reads."""
    return b"".join(diagnosis_text("version", found, View(**options), "")).decode()  # type: ignore[arg-type]


GOOD = content(600)
WAYS: tuple[Way, ...] = ("direct", "dropped", "none")


@pytest.mark.parametrize("way", WAYS)
def test_sound(way: Way) -> None:
    found = look(Simulated(lambda _: GOOD, lambda _: GOOD, way), expected=sha256(GOOD))
    assert (found.verdicts, found.pages, len(found.readings)) == (["sound"], {}, 3)
    assert "the digest is right" in text_of(found)


@pytest.mark.parametrize("way", ["direct", "dropped"])
def test_the_cache_is_wrong_and_the_disk_right(way: Way) -> None:
    """Two pages, at the same offset: found, with the bytes, and what they have in common."""
    bad = hit(hit(GOOD, 5), 300)
    found = look(Simulated(lambda _: bad, lambda _: GOOD, way), expected=sha256(GOOD))
    assert found.verdicts == ["cache differs from disk"]
    assert (found.is_right("cache"), found.is_right("disk")) == (False, True)
    assert {at: page.offsets() for at, page in found.pages.items()} == {5: [STRAY, STRAY + 1], 300: [STRAY, STRAY + 1]}
    assert found.common_offsets() == [STRAY, STRAY + 1]
    assert all(page.stable and page.differs for page in found.pages.values())
    text = text_of(found)
    assert "cached pages hold other bytes than the disk; the disk is right\n" in text
    assert "in common to all 2 of these pages: 0x6a6-0x6a7\n" in text
    page = GOOD[5 * PAGE : 6 * PAGE]
    assert f"md5 {hashlib.md5(page).hexdigest()}\n" in text
    assert re.search(rf"^ +disk  \d +6a0  {page[0x6A0:0x6B0].hex(' ')}  \|", text, re.MULTILINE)
    row = hit(GOOD, 5)[5 * PAGE + 0x6A0 : 5 * PAGE + 0x6B0].hex(" ").replace(" de ad", ">de>ad")
    assert re.search(rf"^ +cache \d +6a0  {row}  \|", text, re.MULTILINE)
    assert "frame 0x1005\n" in text


def test_the_story() -> None:
    """Right at first, and for a while; then other bytes at every reading, though nobody writes the file."""

    def cache(number: int) -> bytes:
        return GOOD if number < 20 else hit(GOOD, 123, mark=bytes([number, number]))

    found = look(Simulated(cache, lambda _: GOOD), Plan(watch=30, every=1))
    assert (found.verdicts, found.seconds) == (["unstable", "cache differs from disk"], 30.0)
    assert {at: page.offsets() for at, page in found.pages.items()} == {123: [STRAY, STRAY + 1]}
    page = found.pages[123]
    assert (page.cache_changed, page.disk_changed, page.differs) == (True, False, True)
    assert {one.reading for one in page.contents if one.side == "cache"} >= {19, 20, 21}
    text = text_of(found)
    assert "the page cache gave different bytes at different times, and nobody wrote the file\n" in text
    assert "readings with other bytes (--all shows them)" in text
    assert "readings with other bytes" not in text_of(found, everything=True)
    shorter = look(Simulated(cache, lambda _: GOOD), Plan(watch=10, every=1))
    assert (shorter.verdicts, len(shorter.readings), shorter.seconds) == (["sound"], 11, 10.0)


def test_wrong_once_and_right_again() -> None:
    """What was wrong at the first reading alone: the whole of a small file is kept, so the bytes are still known."""
    found = look(Simulated(lambda number: hit(GOOD, 7) if number == 1 else GOOD, lambda _: GOOD, "dropped"))
    assert found.verdict == "unstable"
    assert found.pages[7].offsets() == [STRAY, STRAY + 1]


def test_wrong_on_the_disk() -> None:
    bad = hit(GOOD, 5)
    found = look(Simulated(lambda _: bad, lambda _: bad), expected=sha256(GOOD))
    assert (found.verdicts, found.pages) == (["wrong on disk"], {})
    assert "fetch the file again" in text_of(found)
    assert look(Simulated(lambda _: bad, lambda _: bad)).verdict == "sound"  # with nothing to hold it against
    both = look(Simulated(lambda _: hit(bad, 9), lambda _: bad), expected=sha256(GOOD))
    assert both.verdicts == ["cache differs from disk", "wrong on disk"]
    assert list(both.pages) == [9]
    assert "than the disk; the disk is wrong, and so is the cache\n" in text_of(both)
    behind = look(Simulated(lambda _: GOOD, lambda _: bad), expected=sha256(GOOD))
    assert behind.verdicts == ["cache differs from disk", "wrong on disk"]
    assert "than the disk; the disk is wrong and the cache right\n" in text_of(behind)
    assert look(Simulated(lambda _: bad, lambda _: bad, "none"), expected=sha256(GOOD)).verdict == "wrong on disk"


def test_an_unstable_disk() -> None:
    """The cache holds what the first reading from the disk gave, and the disk does not any more."""
    found = look(Simulated(lambda _: GOOD, lambda number: GOOD if number == 1 else hit(GOOD, 2)))
    assert found.verdict == "unstable"
    assert (found.pages[2].disk_changed, found.pages[2].cache_changed) == (True, False)
    assert "the disk gave different bytes at different times" in text_of(found)


def test_a_file_that_is_written() -> None:
    """Then different bytes are no wonder."""
    found = look(
        Simulated(lambda number: GOOD if number < 3 else hit(GOOD, 2), lambda _: GOOD, mtime=lambda number: number)
    )
    assert found.verdict == "written"
    assert "somebody writes it" in text_of(found)
    shrunk = look(Simulated(lambda number: GOOD if number < 2 else GOOD[:5000], lambda _: GOOD), Plan(watch=60))
    assert shrunk.verdict == "written"
    assert len(shrunk.readings) == 2


def test_a_large_file_is_kept_in_runs_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is found all the same, by the disk."""
    monkeypatch.setattr(stages, "MOST_UNITS", 64)
    monkeypatch.setattr(stages, "KEPT_WHOLE", 0)
    assert (unit_of(64), unit_of(65), unit_of(601)) == (1, 2, 16)

    def cache(number: int) -> bytes:
        return GOOD if number < 2 else hit(GOOD, 123)

    found = look(Simulated(cache, lambda _: GOOD))
    assert found.verdicts == ["unstable", "cache differs from disk"]
    assert {at: page.offsets() for at, page in found.pages.items()} == {123: [STRAY, STRAY + 1]}
    both = look(Simulated(cache, cache))  # nothing tells which page of the run it was
    assert (both.verdicts, both.changed_units) == (["unstable"], [(112, 16)])


def test_more_pages_than_anybody_looks_at() -> None:
    bad = GOOD.translate(bytes(byte ^ 1 for byte in range(256)))
    found = look(Simulated(lambda _: bad, lambda _: GOOD))
    assert (len(found.pages), len(found.more)) == (stages.MOST_KEPT, 601 - stages.MOST_KEPT)
    text = text_of(found)
    assert "... and 591 more pages: 10-600\n" in text
    assert len(text.splitlines()) < 250


def test_whoever_watches_may_stop() -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    found = diagnose(Simulated(lambda _: GOOD, lambda _: GOOD), {}, Plan(watch=60), None, Clock(), stop)
    assert (found.verdict, len(found.readings)) == ("sound", 1)


@pytest.mark.parametrize(
    ("one", "other", "offsets"),
    [
        (b"", b"", []),
        (b"abc", b"abc", []),
        (b"\0\0abc", b"\0\1abd", [1, 4]),
        (b"ab", b"abcd", [2, 3]),
        (b"x", b"", [0]),
    ],
)
def test_bytes_that_differ(one: bytes, other: bytes, offsets: list[int]) -> None:
    assert list(differing(one, other)) == list(differing(other, one)) == offsets


# Real files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A real file, with a part of a page at its end."""
    path = tmp_path / "file"
    path.write_bytes(GOOD)
    return path


def test_sound_in_100_of_100_runs(file: Path) -> None:
    file.write_bytes(GOOD[: 100 * PAGE + 7])
    for turn in range(100):
        with RealPages(file, may_be_direct=turn % 2 == 0) as pages:
            found = diagnose(pages, sha256(GOOD[: 100 * PAGE + 7]), Plan(readings=2))
        assert found.verdicts == ["sound"], (turn, found)
        assert pages.way != "none" or kind_of(file.stat().st_dev) == "tmpfs"


@pytest.mark.parametrize("size", [0, 1, PAGE, PAGE + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + PAGE])
def test_sizes(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(300)[:size])
    for direct in (True, False):
        with RealPages(path, may_be_direct=direct) as pages:
            found = diagnose(pages, {}, Plan(list_all=True))
        assert (found.verdict, sum(line.count for line in found.every)) == ("sound", -(-size // PAGE))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert {one.cached["sha256"] for one in found.readings} == {digest}
        assert [one.digest for one in found.every[:1]] == [hashlib.md5(path.read_bytes()[:PAGE]).hexdigest()][
            : size > 0
        ]


def test_a_real_file_that_is_written_meanwhile(file: Path) -> None:
    clock = Clock()

    def write(seconds: float) -> None:
        clock.sleep(seconds)
        file.write_bytes(hit(GOOD, 4))

    def cut(seconds: float) -> None:
        clock.sleep(seconds)
        os.truncate(file, 3 * PAGE + 5)

    for change in (write, cut):
        with RealPages(file) as pages:
            found = diagnose(pages, {}, Plan(watch=2, every=1, list_all=True), None, clock, change)
        assert found.verdict == "written"


def test_frames(file: Path) -> None:
    """Where Linux tells them, every page has one of its own; where it does not, that is said."""
    with RealPages(file) as pages:
        pages.cached(0, 16 * PAGE)
        frames = pages.frames(0, 16)
    if pages.frames_said:
        assert list(frames) == [None] * 16
        assert "superuser" in pages.frames_said or "pagemap" in pages.frames_said
    else:
        assert len({frame for frame in frames if frame}) == 16
    with RealPages(file) as pages:  # beyond the end there is nothing, and no signal comes
        assert list(pages.frames(1000 * PAGE, 2)) == [None, None]


def test_without_permission_for_frames(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_metadiff.verify.pages.PAGEMAP", "/nonexistent/pagemap")
    with RealPages(file) as pages:
        found = diagnose(pages, {}, Plan(list_all=True))
    assert found.verdict == "sound"
    assert pages.frames_said == "no frame numbers of pages: /nonexistent/pagemap: No such file or directory"
    assert {line.frame for line in found.every} == {None}


def test_a_file_in_memory() -> None:
    """tmpfs has no disk, even where it takes O_DIRECT."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK) or kind_of(folder.stat().st_dev) != "tmpfs":
        pytest.skip("no tmpfs here")
    path = folder / f"metadiff-test-{os.getpid()}"
    try:
        path.write_bytes(GOOD)
        with RealPages(path) as pages:
            found = diagnose(pages, {}, Plan())
    finally:
        path.unlink()
    assert (found.way, found.verdict) == ("none", "sound")
    assert all(one.disk is None for one in found.readings)
    assert "this file system is in memory" in text_of(found)


def test_what_has_no_pages(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is a directory"), (Path("/dev/null"), "is a device"), (tmp_path / "x", "No such")):
        with pytest.raises(MetadiffError, match=words):
            RealPages(path)


# Bad copies against good ones


def copies(folder: Path, contents: Mapping[str, bytes]) -> Iterator[Path]:
    """Files with these contents."""
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        yield folder / name


def test_offsets_in_common(tmp_path: Path) -> None:
    bads = list(copies(tmp_path, {"b1": hit(hit(GOOD, 5), 9, 77), "b2": hit(GOOD, 400), "b3": GOOD}))
    goods = list(copies(tmp_path, {"g1": GOOD, "g2": GOOD}))
    found = hold_against(bads, goods)
    assert [(one.count, [page.index for page in one.pages]) for one in found.copies] == [
        (2, [5, 9]),
        (1, [400]),
        (0, []),
    ]
    assert found.common() == [(STRAY, 2), (STRAY + 1, 2)]
    text = b"".join(against_text(found, {0: "b1", 1: "b2", 2: "b3"}, PAGE, View())).decode()
    assert "in common to all 2 bad copies:\n    in 2 of 3 pages: 0x6a6-0x6a7\n" in text
    assert "b3: the same\n" in text


def test_good_copies_that_do_not_agree(tmp_path: Path) -> None:
    (bad,) = copies(tmp_path, {"bad": hit(hit(GOOD, 5), 3)})
    goods = list(copies(tmp_path, {"g1": GOOD, "g2": hit(GOOD, 3, mark=b"\1\2")}))
    found = hold_against([bad], goods)
    assert ([page.index for page in found.copies[0].pages], found.doubtful) == ([5], [3])
    assert (
        "the good copies differ among themselves in pages 3"
        in b"".join(against_text(found, {0: "bad"}, PAGE, View())).decode()
    )


def test_copies_of_other_lengths(tmp_path: Path) -> None:
    short, long, good = copies(tmp_path, {"short": GOOD[:5000], "long": GOOD + b"x", "good": GOOD})
    found = hold_against([short, long], [good])
    assert (found.differs, [one.count for one in found.copies]) == (True, [0, 0])
    text = b"".join(against_text(found, {0: "short", 1: "long"}, PAGE, View())).decode()
    assert f"short: the same as far as it goes, 5000 bytes instead of {len(GOOD)}\n" in text


# The command


def test_the_command(tmp_path: Path, metadiff: Metadiff) -> None:
    bad, good = copies(tmp_path, {"bad": hit(GOOD, 5), "good": GOOD})
    wanted = sha256(GOOD)["sha256"]
    done = metadiff("verify", bad, "--sha256", wanted, "--pages", "--against", good)
    assert (done.returncode, done.stderr) == (1, b"")
    disk = kind_of(tmp_path.stat().st_dev) != "tmpfs"
    assert re.search(rb"^\S+bad: wrong on disk   601 pages of \d+ bytes, 3 readings", done.stdout, re.MULTILINE), disk
    assert b"page 5, from byte 0x5000: 2 bytes, 0x6a6-0x6a7\n" in done.stdout
    done = metadiff("verify", bad, "--pages", "--against", good, "--json")
    document = json.loads(done.stdout)
    Draft202012Validator(SCHEMA).validate(document)
    assert (done.returncode, document["holds"], document["pages"][0]["verdict"]) == (1, False, "sound")
    assert document["against"]["common_offsets"] == [{"offset": STRAY + at, "pages": 1} for at in (0, 1)]
    done = metadiff("verify", good, bad, "--pages", "--watch", "1", "--all", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n    page ") == 2 * 601
