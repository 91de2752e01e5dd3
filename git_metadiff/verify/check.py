"""Files held against what vouches for them: sums files, digests by hand, and signatures.

A file that nothing vouches for, a sums file without its name, or an unknown key is an error, for then nothing was
checked. A digest that differs or a signature that is bad is a result: it is in the Report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from git_metadiff.errors import MetadiffError
from git_metadiff.sources.streams import HEAD, Refused, compression, decompressed
from git_metadiff.verify.armor import ArmorError, is_clearsigned, lines_before_text, signed_text
from git_metadiff.verify.digests import MAIN_ALGORITHM, Digester, digest_file, open_regular, pieces
from git_metadiff.verify.signature import Gpgv, Signature, Statuses, read_small, stem
from git_metadiff.verify.sums import Sum, read_sums, sums_of

#: Told what is under way, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]
Verdict = Literal["ok", "digest differs", "signature refused", "unstable", "not checked"]
BY_HAND = "--sha256"
WHAT_VOUCHES = "give --sums <file>, --sha256 <hex>, or --signature <file> with --keyring <file>"


@dataclass(frozen=True, slots=True)
class Vouchers:
    """What the user gave to hold files against; empty: nothing is to be verified."""

    sums: tuple[Path, ...] = ()
    digests: tuple[str, ...] = ()  # SHA-256, in lower case
    signatures: tuple[Path, ...] = ()
    keyrings: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sums or self.digests or self.signatures)


@dataclass(frozen=True, slots=True)
class Subject:
    """A file to be verified: as the user named it, and where it is."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Expected:
    """A digest that a file should have, and who says so."""

    algorithm: str
    digest: str
    source: str  # a sums file, or `--sha256`
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was checked."""

    name: str  # of the file that holds it
    statuses: Statuses
    uncompressed: bool = False  # whether it is of the content, as kernel.org signs, and not of the file as it is

    @property
    def signatures(self) -> list[Signature]:
        """One for each key."""
        return self.statuses.signatures


@dataclass(frozen=True, slots=True)
class SumsFile:
    """A sums file that was read."""

    name: str
    sums: tuple[Sum, ...]
    signed: Signed | None = None
    unchecked: bool = False  # it has a signature inside, and no keyring was given


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one file."""

    subject: Subject
    size: int
    digests: Mapping[str, str]  # by algorithm
    expected: tuple[Expected, ...] = ()
    signed: tuple[Signed, ...] = ()
    reread: bool = True  # whether a second reading, for the signature, gave the same bytes

    @property
    def verdict(self) -> Verdict:
        """In a word."""
        if not self.reread:
            return "unstable"
        if not all(self.has(one) for one in self.expected):
            return "digest differs"
        if not all(one.statuses.holds for one in self.signed):
            return "signature refused"
        return "ok" if self.expected or self.signed else "not checked"

    def has(self, expected: Expected) -> bool:
        """Whether the file has that digest."""
        return self.digests[expected.algorithm] == expected.digest


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was checked. Where a sums file is refused, nothing was held against it."""

    sums: tuple[SumsFile, ...]
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against anything."""
        signed = all(one.signed is None or one.signed.statuses.holds for one in self.sums)
        return signed and all(one.verdict in ("ok", "not checked") for one in self.findings)


def check_files(
    subjects: Sequence[Subject], vouchers: Vouchers, environ: Mapping[str, str], progress: Progress | None = None
) -> Report:
    """Hold files against `vouchers`; without any, their digests are all that is found.

    `environ` tells where gpgv is (PATH) and where temporary files go (TMPDIR). Every name is looked up before the first
    file is read. Raises MetadiffError where something could not be checked.
    """
    with ExitStack() as stack:
        gpgv = stack.enter_context(Gpgv(vouchers.keyrings, environ)) if vouchers.keyrings else None
        plan = pair_signatures(subjects, vouchers)
        sums = tuple(load_sums(path, plan.of_sums.get(path), gpgv) for path in vouchers.sums)
        if not all(one.signed is None or one.signed.statuses.holds for one in sums):
            return Report(sums, ())
        check_needed(vouchers, sums)
        wanted = [tuple(expectations(one, sums)) for one in subjects]
        check_vouched(subjects, vouchers, wanted, plan)
        findings = []
        for subject, expected in zip(subjects, wanted, strict=True):
            size, digests = digest_file(
                subject.path, [one.algorithm for one in expected], telling(progress, f"reading {subject.name}")
            )
            findings.append(Finding(subject, size, digests, expected))
        findings = by_hand(findings, vouchers.digests, plan)
        if gpgv is not None:
            findings = [check_signature(one, plan.of_files.get(one.subject), gpgv, progress) for one in findings]
        return Report(sums, tuple(findings))


def telling(progress: Progress | None, label: str) -> Callable[[int, int], None] | None:
    """`progress` for one step."""
    return None if progress is None else lambda done, total: progress(label, done, total)


# Sums


def load_sums(path: Path, signature: Path | None, gpgv: Gpgv | None) -> SumsFile:
    """Read a sums file, of a signed one what is signed; a bad signature is in the result, and no sums then."""
    name, data = str(path), read_small(path)
    signed = None
    clear = is_clearsigned(data)
    before = lines_before_text(data) if clear else 0
    if gpgv is not None and signature is not None:
        signed = Signed(str(signature), gpgv.detached(str(signature), read_small(signature), [data]))
    if clear and gpgv is not None and (signed is None or signed.statuses.holds):
        statuses, data = gpgv.clearsigned(name, data)
        signed = Signed(name, statuses)
    elif clear:
        try:
            data = signed_text(data)
        except ArmorError as error:
            raise MetadiffError(f"{name}: {error}", "fetch it again") from error
    if signed is not None and not signed.statuses.holds:
        return SumsFile(name, (), signed)
    sums = tuple(replace(one, line=one.line + before) for one in read_sums(data, name))
    return SumsFile(name, sums, signed, clear and gpgv is None)


def expectations(subject: Subject, sums: Sequence[SumsFile]) -> Iterator[Expected]:
    """What all sums files say of a file."""
    path = os.fsencode(os.path.abspath(subject.path))
    for one in sums:
        for found in sums_of(one.sums, path, one.name):
            yield Expected(found.algorithm, found.digest, one.name, found.line)


def by_hand(findings: Sequence[Finding], digests: Sequence[str], plan: Plan) -> list[Finding]:
    """Hold files against the digests that were given by hand, whichever file each belongs to.

    One that no file has belongs to the file that nothing else vouches for.
    """
    had = {one.digests[MAIN_ALGORITHM] for one in findings}
    left = tuple(Expected(MAIN_ALGORITHM, digest, BY_HAND) for digest in digests if digest not in had)
    result, placed = [], not left
    for one in findings:
        own = one.digests[MAIN_ALGORITHM]
        more: tuple[Expected, ...] = ()
        if own in digests:
            more = (Expected(MAIN_ALGORITHM, own, BY_HAND),)
        elif len(findings) == 1 or not (one.expected or one.subject in plan.of_files):
            more, placed = left, True
        result.append(replace(one, expected=(*one.expected, *more)))
    if not placed:
        raise MetadiffError(f"{BY_HAND} {left[0].digest}: none of the files has it", "check the digest")
    for one in result:
        if digests and not one.expected and one.subject not in plan.of_files:
            raise silent_error(one.subject)
    return result


# Signatures


@dataclass(frozen=True, slots=True)
class Plan:
    """Which signature belongs to what."""

    of_sums: Mapping[Path, Path]
    of_files: Mapping[Subject, Path]


def pair_signatures(subjects: Sequence[Subject], vouchers: Vouchers) -> Plan:
    """Find by its name what each signature signs; where the name does not tell, only one thing may be there to sign."""
    of_sums: dict[Path, Path] = {}
    of_files: dict[Subject, Path] = {}
    for signature in vouchers.signatures:
        name = stem(signature.name)
        sums = [path for path in vouchers.sums if path.name == name]
        files = [one for one in subjects if name and name in names_of(one)]
        if not sums and not files:
            sums = list(vouchers.sums) if len(vouchers.sums) == 1 else []
            files = [] if sums else list(subjects)
        if len(sums) + len(files) != 1:
            raise MetadiffError(
                f"cannot tell which file {signature} signs",
                "name it like that file, with .sign, .sig, .asc or .gpg behind it",
            )
        taken = of_sums.setdefault(sums[0], signature) if sums else of_files.setdefault(files[0], signature)
        if taken != signature:
            raise MetadiffError(f"{taken} and {signature} sign the same file", "give one of them")
    return Plan(of_sums, of_files)


def names_of(subject: Subject) -> tuple[str, ...]:
    """The names that a file's signature may be named after: its own, and that of its uncompressed content."""
    whole, uncompressed = subject.path.name, content_name(subject.path.name)
    return (whole, uncompressed) if uncompressed else (whole,)


def content_name(name: str) -> str:
    """The name of a compressed file's content: `linux.tar` of `linux.tar.xz` and of `linux.tgz`; empty for others."""
    base, dot, end = name.rpartition(".")
    if end in ("gz", "xz", "bz2", "zst", "lz", "lzma"):
        return base
    return f"{base}.tar" if dot and end in ("tgz", "txz", "tbz", "tbz2", "tzst") else ""


def check_signature(finding: Finding, signature: Path | None, gpgv: Gpgv, progress: Progress | None) -> Finding:
    """Check the signature of a file: as it is, or uncompressed, as the names tell; where they do not, either."""
    if signature is None:
        return finding
    name = finding.subject.path.name
    asked = stem(signature.name)
    ways = [False] if asked == name else [True] if asked and asked == content_name(name) else [False, True]
    result = finding
    for way in ways:
        if way and len(ways) > 1 and not is_compressed(finding.subject.path):
            break
        result = one_way(finding, signature, gpgv, progress, uncompressed=way)
        if result.signed[-1].statuses.holds or not result.reread:
            break
    return result


def one_way(finding: Finding, signature: Path, gpgv: Gpgv, progress: Progress | None, *, uncompressed: bool) -> Finding:
    """Check a signature of a file as it is, or of its content; and that this reading gives what the first one gave."""
    path = finding.subject.path
    again = Digester(())
    tell = telling(progress, f"checking the signature of {finding.subject.name}")
    ended: list[bool] = []
    content = content_of(path, finding.size, again, ended, tell, uncompressed=uncompressed)
    statuses = gpgv.detached(str(signature), read_small(signature), content)
    reread = not ended or again.result()[MAIN_ALGORITHM] == finding.digests[MAIN_ALGORITHM]
    signed = Signed(str(signature), statuses, uncompressed)
    return replace(finding, signed=(*finding.signed, signed), reread=reread)


def content_of(
    path: Path,
    size: int,
    again: Digester,
    ended: list[bool],
    tell: Callable[[int, int], None] | None,
    *,
    uncompressed: bool,
) -> Iterable[bytes | memoryview]:
    """What was signed, piece by piece; `again` takes the bytes of the file, and `ended` is filled at its end."""
    consumed = 0

    def tap(data: bytes | memoryview) -> None:
        nonlocal consumed
        again.update(data)
        consumed += len(data)
        if tell is not None:
            tell(consumed, max(size, consumed))

    with open_regular(path) as file:
        if uncompressed:
            try:
                for _, chunk in decompressed(file, tap):
                    yield chunk
            except Refused as error:
                raise MetadiffError(f"{path}: {error}", error.hint) from error
        else:
            for piece in pieces(file):
                tap(piece)
                yield piece
    ended.append(True)


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes."""
    with open_regular(path) as file:
        return compression(file.read(HEAD)) is not None


# What could not be checked


def check_needed(vouchers: Vouchers, sums: Sequence[SumsFile]) -> None:
    """Refuse keyrings that nothing is checked with: whoever gives one expects a signature."""
    if vouchers.keyrings and not vouchers.signatures and not any(one.signed for one in sums):
        named = f"{vouchers.sums[0]} is not signed inside" if vouchers.sums else "no signature was given"
        raise MetadiffError(f"there is nothing to check with --keyring: {named}", "give --signature <file> too")
    if vouchers.signatures and not vouchers.keyrings:
        raise MetadiffError(
            f"{vouchers.signatures[0]} cannot be checked without a keyring",
            "give --keyring <file>, with a key that you have from somebody whom you trust",
        )


def check_vouched(
    subjects: Sequence[Subject], vouchers: Vouchers, wanted: Sequence[tuple[Expected, ...]], plan: Plan
) -> None:
    """Refuse files that nothing speaks of; digests by hand may be of any of them."""
    if not vouchers:
        return
    silent = [one for one, found in zip(subjects, wanted, strict=True) if not found and one not in plan.of_files]
    if len(silent) <= len(vouchers.digests):
        return
    name = silent[0].path.name
    if vouchers.sums:
        named = ", ".join(map(str, vouchers.sums))
        raise MetadiffError(f"{named}: there is no digest for {name}", f"is it for another file? else {WHAT_VOUCHES}")
    if vouchers.digests:
        names = ", ".join(one.name for one in silent)
        raise MetadiffError(f"nothing vouches for one of {names}", f"give {BY_HAND} <hex> for each of them")
    raise silent_error(silent[0])


def silent_error(subject: Subject) -> MetadiffError:
    """The error for a file that nothing speaks of."""
    return MetadiffError(f"nothing vouches for {subject.name}", WHAT_VOUCHES)


# For imports


def vouch(
    subjects: Sequence[Subject], vouchers: Vouchers, environ: Mapping[str, str], progress: Progress | None = None
) -> dict[Path, str]:
    """The SHA-256 of every file, all verified; the first one that does not verify raises MetadiffError."""
    report = check_files(subjects, vouchers, environ, progress)
    for sums in report.sums:
        if sums.signed is not None and not sums.signed.statuses.holds:
            raise MetadiffError(f"{sums.name} does not verify: {refusal(sums.signed)}", "fetch it again")
    for finding in report.findings:
        if finding.verdict != "ok":
            name = finding.subject.name
            raise MetadiffError(f"{name} does not verify: {complaint(finding)}", pages_hint(name))
    return {one.subject.path: one.digests[MAIN_ALGORITHM] for one in report.findings}


def complaint(finding: Finding) -> str:
    """What is wrong with a file, in words."""
    if not finding.reread:
        return "two readings of it gave different bytes"
    for one in finding.expected:
        if not finding.has(one):
            said = f"{one.source} says" if one.source != BY_HAND else "it should be"
            return f"its {one.algorithm} is {finding.digests[one.algorithm]}, and {said} {one.digest}"
    return next((refusal(one) for one in finding.signed if not one.statuses.holds), "nothing vouches for it")


def refusal(signed: Signed) -> str:
    """Why a signature is refused, in words."""
    outcome = signed.statuses.outcome
    one = next(one for one in signed.signatures if one.outcome == outcome)
    reasons = {
        "bad": "is not of this content",
        "expired": "or its key has expired",
        "revoked": "is by a key that was revoked",
    }
    return f"the signature {signed.name} {reasons.get(str(outcome), str(outcome))} ({one.user or one.key})"


def pages_hint(name: str) -> str:
    """What to do about a file that does not verify."""
    return f"'git metadiff verify --pages {name}' tells whether the disk or the memory of this machine is at fault"
