"""What is imported is verified first: the releases and patchsets of a comparison that are files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from git_metadiff.errors import MetadiffError
from git_metadiff.sources import ReleaseSource
from git_metadiff.sources.folder import is_there
from git_metadiff.verify.check import Subject, Vouchers, vouch

Progress = Callable[[str, int, int], None]


def verify_patchsets(
    arguments: Iterable[str],
    cwd: Path,
    vouchers: Vouchers | None,
    environ: Mapping[str, str],
    progress: Progress | None,
    others: Sequence[Subject] = (),
) -> dict[Path, str]:
    """The SHA-256 of all files among `arguments`, and of `others`, verified; empty if `vouchers` are.

    Every file must be vouched for. A folder or a revision is no file that somebody publishes, and what a series file
    lists is not looked at. Raises MetadiffError for what does not verify.
    """
    if not vouchers:
        return {}
    files = [Subject(one, cwd / one) for one in arguments if one and is_there(cwd / one) and (cwd / one).is_file()]
    subjects = list(dict.fromkeys([*others, *files]))
    if not subjects:
        raise MetadiffError(
            "there is nothing to verify: no release and no patchset is a file",
            "what is in git has its ids, and a folder has no digest; leave the options out",
        )
    return vouch(subjects, vouchers, environ, progress)


def verify_sources(
    arguments: Sequence[str],
    releases: Sequence[ReleaseSource],
    patchsets: Sequence[str],
    cwd: Path,
    vouchers: Vouchers | None,
    environ: Mapping[str, str],
    progress: Progress | None,
) -> tuple[list[ReleaseSource], dict[Path, str]]:
    """The releases with the SHA-256 that their archives must have when they are imported, and that of every file.

    `arguments` are the releases as the user named them.
    """
    archives = [
        Subject(argument, one.path)
        for argument, one in zip(arguments, releases, strict=True)
        if one.path is not None and one.path.is_file()
    ]
    verified = verify_patchsets(patchsets, cwd, vouchers, environ, progress, archives)
    found = [one if one.path is None else replace(one, sha256=verified.get(one.path, "")) for one in releases]
    return found, verified
