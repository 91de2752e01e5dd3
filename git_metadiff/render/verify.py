"""`git metadiff verify` as text: what was held against what, and what a diagnosis found."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from git_metadiff.render.paint import ink, line, plural, quoted
from git_metadiff.render.view import View
from git_metadiff.verify.against import Against, Copy
from git_metadiff.verify.check import BY_HAND, Expected, Finding, Report, Signed, SumsFile
from git_metadiff.verify.diagnosis import Diagnosis, SuspectPage, differing
from git_metadiff.verify.digests import MAIN_ALGORITHM, WEAK

ROW = 16  # bytes of a row of a hex dump
#: Readings, pages and rows that are shown; --all shows all.
MOST_READINGS = 6
MOST_PAGES = 10
MOST_ROWS = 8
WAYS = {
    "direct": "read past the page cache (O_DIRECT)",
    "dropped": "read after its cached pages were dropped: there is no O_DIRECT here",
    "none": "not read: this file system is in memory, and has no other copy",
}
INDENT = "    "


def name_of(name: str) -> str:
    """A file name on one line."""
    return quoted(os.fsencode(name))


# Digests and signatures


def digests(report: Report) -> Iterator[bytes]:
    """The digests of files that were held against nothing, as sha256sum prints them."""
    for finding in report.findings:
        name = os.fsencode(finding.subject.name)
        escaped = re.sub(rb"[\\\n\r]", lambda one: {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}[one[0]], name)
        mark = b"\\" if escaped != name else b""
        yield b"%b%b  %b\n" % (mark, finding.digests[MAIN_ALGORITHM].encode(), escaped)


def checks(report: Report, view: View) -> Iterator[bytes]:
    """Sums files, then file by file: the verdict, and what it rests on."""
    for sums in report.sums:
        yield from _sums(sums, view)
    for finding in report.findings:
        yield from _finding(finding, view)


def _sums(sums: SumsFile, view: View) -> Iterator[bytes]:
    if sums.signed is not None:
        yield line(f"{name_of(sums.name)}: {_verdict(view, _of_signature(sums.signed), sums.signed.statuses.holds)}")
        yield from _signers(sums.signed)
        return
    state = "signed inside; not checked, for want of a --keyring" if sums.unchecked else "not signed"
    yield line(f"{name_of(sums.name)}: {plural(len(sums.sums), 'digest')}, {state}")


def _of_signature(signed: Signed) -> str:
    return "signature good" if signed.statuses.holds else f"signature refused: {signed.statuses.outcome}"


def _verdict(view: View, words: str, good: bool) -> str:
    return ink(view, "ok" if good else "warn", words)


def _finding(finding: Finding, view: View) -> Iterator[bytes]:
    yield line(f"{name_of(finding.subject.name)}: {_verdict(view, finding.verdict, finding.verdict == 'ok')}")
    for expected in finding.expected:
        yield from _expected(finding, expected)
    if finding.expected and all(one.algorithm in WEAK for one in finding.expected):
        yield line(f"{INDENT}{finding.expected[0].algorithm} tells damage, and no longer who made a file")
    for signed in finding.signed:
        what = ", of the uncompressed content" if signed.uncompressed else ""
        yield line(f"{INDENT}{_of_signature(signed)}{what} ({name_of(signed.name)})")
        yield from _signers(signed)
    if not finding.reread:
        yield line(f"{INDENT}two readings of it gave different bytes")


def _expected(finding: Finding, expected: Expected) -> Iterator[bytes]:
    place = f":{expected.line}" if expected.line else ""
    source = BY_HAND if expected.source == BY_HAND else f"{name_of(expected.source)}{place}"
    found = finding.digests[expected.algorithm]
    if finding.has(expected):
        yield line(f"{INDENT}{expected.algorithm} {found}  ({source})")
        return
    yield line(f"{INDENT}{expected.algorithm} {found}  is what was read")
    yield line(f"{INDENT}{' ' * len(expected.algorithm)} {expected.digest}  is what it should be ({source})")


def _signers(signed: Signed) -> Iterator[bytes]:
    for one in signed.signatures:
        date = "" if one.time is None else f", {datetime.fromtimestamp(one.time, UTC):%Y-%m-%d}"
        user = f" {one.user}" if one.user else ""
        yield line(f"{INDENT}{one.outcome}: {one.key}{user}{date}")


# Pages


def diagnosis(name: str, found: Diagnosis, view: View, said: str) -> Iterator[bytes]:
    """What reading a file several times showed; `said` is why there are no frame numbers, if there are none."""
    sound = found.verdict == "sound"
    count = -(-found.size // found.page_size)
    yield line(
        f"{name_of(name)}: {_verdict(view, ', '.join(found.verdicts), sound)}   "
        f"{plural(count, 'page')} of {found.page_size} bytes, {plural(len(found.readings), 'reading')} "
        f"in {found.seconds:.1f} s"
    )
    yield from (line(INDENT + words) for words in explained(found))
    if not sound:
        yield from _readings(found, view)
    if said and (found.pages or found.every):
        yield line(INDENT + said)
    pages = sorted(found.pages.values(), key=lambda one: one.index)
    shown = pages if view.everything else pages[:MOST_PAGES]
    for page in shown:
        yield from _page(page, found.page_size, view)
    more = len(pages) - len(shown) + len(found.more)
    if more:
        yield line(f"{INDENT}... and {more} more {'page' if more == 1 else 'pages'}: {numbers(_rest(found, shown))}")
    if len(pages) > 1 and found.common_offsets():
        yield line(f"{INDENT}in common to all {len(pages)} of these pages: {ranges(found.common_offsets())}")
    for unit in found.every:
        where = f"page {unit.index}" if unit.count == 1 else f"pages {unit.index}-{unit.index + unit.count - 1}"
        frame = "" if unit.frame is None else f"  frame {unit.frame:#x}"
        yield line(f"{INDENT}{where}  {unit.digest}{frame}")


def explained(found: Diagnosis) -> Iterator[str]:
    """Each verdict in a sentence."""
    disk = sum(one.disk is not None for one in found.readings)
    for verdict in found.verdicts:
        if verdict == "sound":
            yield f"{_agreeing(len(found.readings), disk)} agree{_published(found)}"
        elif verdict == "written":
            yield "its size or time changed: somebody writes it, so that readings may differ"
        elif verdict == "wrong on disk":
            side = "disk" if found.way != "none" else "memory"
            yield f"what the {side} holds has not the digest that it should have: fetch the file again"
        elif verdict == "unstable":
            yield f"{_who(found)} gave different bytes at different times, and nobody wrote the file"
        else:
            yield f"cached pages hold other bytes than the disk{_disk_is(found)}"
    yield f"disk: {WAYS[found.way]}"


def _agreeing(cached: int, disk: int) -> str:
    from_disk = f" and {disk} from the disk" if disk else ""
    return f"{plural(cached, 'reading')} through the page cache{from_disk}"


def _published(found: Diagnosis) -> str:
    return "; the digest is right" if found.expected else "; there was no digest to hold it against"


def _who(found: Diagnosis) -> str:
    disk = any(one.disk_changed for one in found.pages.values())
    cache = any(one.cache_changed for one in found.pages.values()) or bool(found.changed_units)
    return "page cache and disk" if disk and cache else "the disk" if disk else "the page cache"


def _disk_is(found: Diagnosis) -> str:
    words = {True: "; the disk is right", False: "; the disk is wrong", None: ""}[found.is_right("disk")]
    if found.is_right("disk") is False:
        words += " and the cache right" if found.is_right("cache") else ", and so is the cache"
    return words


def _readings(found: Diagnosis, view: View) -> Iterator[bytes]:
    """The readings between which something changed, and the last one."""
    shown = []
    before: tuple[object, object] | None = None
    for one in found.readings:
        now = (one.cached, one.disk or (before[1] if before else None))
        if view.everything or now != before or one is found.readings[-1]:
            shown.append(one)
        before = now
    skipped = len(shown) - MOST_READINGS if not view.everything else 0
    for at, one in enumerate(shown):
        if skipped > 0 and MOST_READINGS - 1 <= at < len(shown) - 1:
            if at == MOST_READINGS - 1:
                yield line(f"{INDENT}... {plural(skipped, 'reading')} with other bytes (--all shows them)")
            continue
        for side, held in (("cache", one.cached), ("disk", one.disk)):
            if held is not None:
                when = f"reading {one.number} at {one.began:5.1f} s"
                yield line(f"{INDENT}{when}  {side:<5}  sha256 {held[MAIN_ALGORITHM]}{_right(found, held)}")


def _right(found: Diagnosis, held: Mapping[str, str]) -> str:
    if not found.expected:
        return ""
    return "  right" if all(held[name] == digest for name, digest in found.expected.items()) else "  wrong"


def _page(page: SuspectPage, size: int, view: View) -> Iterator[bytes]:
    told = [
        words
        for words, true in (
            ("changed in the page cache", page.cache_changed),
            ("changed on the disk", page.disk_changed),
            ("the cache differs from the disk", page.differs),
        )
        if true
    ]
    yield line(f"{INDENT}page {page.index}, from byte {page.index * size:#x}: {', '.join(told)}")
    for content in page.contents:
        frame = "" if content.frame is None else f"  frame {content.frame:#x}"
        yield line(f"{INDENT * 2}{content.side:<5}  reading {content.reading}  md5 {content.digest}{frame}")
    if len(page.contents) < 2:
        yield line(f"{INDENT * 2}what it held before was not kept: the file is too large for that")
        return
    offsets = page.offsets()
    yield line(f"{INDENT * 2}{plural(len(offsets), 'byte')} of it {differ(len(offsets))}: {ranges(offsets)}")
    good = page.good
    others = [one for one in page.contents if one is not good and one.data != good.data]
    labelled = [(f"{one.side:<5} {one.reading}", one) for one in (good, *others)]
    yield from _rows(offsets, [(label, one.data) for label, one in labelled], view)


def differ(count: int) -> str:
    """The verb for so many."""
    return "differs" if count == 1 else "differ"


def _rows(offsets: Sequence[int], contents: Sequence[tuple[str, bytes]], view: View) -> Iterator[bytes]:
    """A hex dump of the rows in which something differs: the first content, then each other one."""
    rows = sorted({offset // ROW * ROW for offset in offsets})
    shown = rows if view.everything else rows[:MOST_ROWS]
    for row in shown:
        good = contents[0][1][row : row + ROW]
        yield line(_row(contents[0][0], row, good, set(), view))
        for label, data in contents[1:]:
            held = data[row : row + ROW]
            if held != good:
                yield line(_row(label, row, held, set(differing(good, held)), view))
    if len(shown) < len(rows):
        yield line(f"{INDENT * 2}... and {plural(len(rows) - len(shown), 'row')} more (--all shows them)")


def _row(label: str, row: int, data: bytes, marked: set[int], view: View) -> str:
    """One row; what differs from the good one is coloured, and has a mark before it where there are no colours."""
    cells = []
    for at in range(ROW):
        cell = f"{data[at]:02x}" if at < len(data) else "  "
        cells.append(f" {ink(view, 'warn', cell)}" if at in marked and view.colors else f"{' >'[at in marked]}{cell}")
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
    return f"{INDENT * 2}{label:<9} {row:03x} {''.join(cells)}  |{text}|"


def _rest(found: Diagnosis, shown: Sequence[SuspectPage]) -> list[int]:
    return sorted({*found.pages, *found.more} - {one.index for one in shown})


def ranges(offsets: Iterable[int]) -> str:
    """Offsets in a page in hexadecimal, runs of them as ranges: `0x6a6-0x6a7, 0x700`."""
    return ", ".join(f"{first:#x}" if first == last else f"{first:#x}-{last:#x}" for first, last in runs(offsets))


def numbers(pages: Iterable[int], most: int = 12) -> str:
    """Page numbers, runs of them as ranges, and not too many."""
    found = [f"{first}" if first == last else f"{first}-{last}" for first, last in runs(pages)]
    return ", ".join(found[:most]) + (" ..." if len(found) > most else "")


def runs(values: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted numbers as runs: first and last of each."""
    found: list[tuple[int, int]] = []
    for value in values:
        if found and found[-1][1] + 1 == value:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


# Bad copies against good ones


def against(result: Against, names: Mapping[int, str], page_size: int, view: View) -> Iterator[bytes]:
    """How bad copies differ from the good ones; `names` are those of the copies, in their order."""
    if result.uneven or result.doubtful:
        where = f" in pages {numbers(result.doubtful)}" if result.doubtful else " in size"
        yield line(f"the good copies differ among themselves{where}; what they do not agree on is left out")
    for at, copy in enumerate(result.copies):
        yield from _copy(names[at], copy, result, page_size, view)
    common = result.common()
    if common:
        bad = sum(1 for one in result.copies if one.count)
        yield line(f"in common to {'the bad copy' if bad == 1 else f'all {bad} bad copies'}:")
        by_count: dict[int, list[int]] = {}
        for offset, count in common:
            by_count.setdefault(count, []).append(offset)
        for count in sorted(by_count, reverse=True):
            yield line(f"{INDENT}in {count} of {plural(result.page_count, 'page')}: {ranges(by_count[count])}")


def _copy(name: str, copy: Copy, result: Against, page_size: int, view: View) -> Iterator[bytes]:
    size = "" if copy.size == result.good_size else f", {copy.size} bytes instead of {result.good_size}"
    if not copy.count:
        words = "the same as far as it goes" if size else "the same"
        yield line(f"{name_of(name)}: {_verdict(view, words, not size)}{size}")
        return
    words = f"{plural(copy.count, 'page')} {differ(copy.count)}"
    yield line(f"{name_of(name)}: {_verdict(view, words, False)}{size}")
    shown = copy.pages if view.everything else copy.pages[:MOST_PAGES]
    for page in shown:
        yield line(
            f"{INDENT}page {page.index}, from byte {page.index * page_size:#x}: "
            f"{plural(len(page.offsets), 'byte')}, {ranges(page.offsets)}"
        )
        yield from _rows(page.offsets, [("good", page.good), ("bad", page.bad)], view)
    if len(shown) < copy.count:
        yield line(f"{INDENT}... and {plural(copy.count - len(shown), 'page')} more")
