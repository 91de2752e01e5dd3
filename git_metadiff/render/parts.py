"""What of a guilty step matters, and the pair of hunks that fail only together, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_metadiff.bisect.chained import Part
from git_metadiff.bisect.minimize import Minimal, Pair
from git_metadiff.render.paint import line, plural, quoted

INDENT = "    "


def parts(found: Minimal[Part] | None) -> Iterator[bytes]:
    """The hunks that matter; of some of them it may be unknown."""
    if found is None:
        yield line("which hunks matter could not be determined: no tree holds some of these steps without others")
        return
    count = plural(len(found.parts), "hunk")
    if found.is_certain:
        yield line(f"minimal {count}, none of which can be left out   {plural(found.tests, 'test')}")
    else:
        yield line(f"at most {count}   {plural(found.tests, 'test')}")
    yield from listed(found.parts)
    if not found.is_certain:
        yield line("of these, what the test could not tell apart (could not be determined):")
        yield from listed(found.undetermined)


def listed(some: Iterable[Part]) -> Iterator[bytes]:
    """Hunks, a line each."""
    for part in some:
        sections = f"  {', '.join(part.sections)}" if part.sections else ""
        yield line(f"{INDENT}{part.name}  {quoted(part.path)}{sections}")


def paired(found: Pair[Part]) -> Iterator[bytes]:
    """The hunks of both sides."""
    if found.doubt:
        yield line(f"the pair could not be determined: {found.doubt}")
    else:
        yield line("pair    it fails only with both, and works without either")
    yield line("  upstream")
    yield from listed(found.upstream)
    yield line("  downstream")
    yield from listed(found.downstream)


def alone(words: str) -> bytes:
    """Why there is no pair, or none was found."""
    return line(f"pair    {words}")
