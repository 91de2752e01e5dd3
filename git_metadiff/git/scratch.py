"""The scratch repository: made, published in one move, and removed, also for a run that was killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from git_metadiff.git.borrowing import Borrowing, alternate
from git_metadiff.git.failures import write_failed
from git_metadiff.git.files import remove_folder
from git_metadiff.git.process import Git
from git_metadiff.git.refs import update_refs
from git_metadiff.git.signals import uninterrupted

SCRATCH_PREFIX = "metadiff-scratch-"
STALE_SECONDS = 24 * 3600
ALIVE = "metadiff-alive"  # locked while the run that made the folder lives
MOVING = "metadiff-moving"  # names the pack that is being moved into the user's repository

#: In the order in which they must arrive: a pack counts once it has an index.
PARTS = (".promisor", ".rev", ".pack", ".idx")
KEEP = b"git metadiff\n"


class Scratch(Borrowing):
    """Where the work is done: a temporary folder inside the user's repository, removed on exit.

    It lies there so that finished packs can be moved, not copied, and so that a full or read-only disk shows before
    any work is done.
    """

    def __init__(self, user: Git, environ: Mapping[str, str]) -> None:
        remove_dead(user.common_dir)
        super().__init__(user.common_dir, SCRATCH_PREFIX, user, environ)

    def lay_out(self) -> None:
        """Write what makes the folder a repository, and say that it is in use."""
        self._alive = hold(self.git_dir)
        super().lay_out()

    def index(self, name: str) -> Path:
        """The path of a temporary index of that name, of this process alone."""
        return self.git_dir / f"index-{name}-{os.getpid()}"

    def share_out(self, count: int) -> list[Path]:
        """Folders of objects, one for each process that writes: two of them may make the very same pack.

        All of them are read from here, and each of them sees what is here.
        """
        objects = self.git_dir / "objects"
        outside = (objects / "info" / "alternates").read_bytes()
        folders = [self.git_dir / f"objects-{number}" for number in range(count)]
        for folder in folders:
            (folder / "info").mkdir(parents=True)
            (folder / "pack").mkdir()
            (folder / "info" / "alternates").write_bytes(alternate(objects) + outside)
        (objects / "info" / "alternates").write_bytes(outside + b"".join(map(alternate, folders)))
        return folders

    def write_into(self, folder: Path) -> None:
        """From now on, in this process, write objects into one of the folders of `share_out`."""
        self.environ["GIT_OBJECT_DIRECTORY"] = str(folder)

    def publish(
        self, updates: Mapping[str, tuple[str | None, str | None]] | None = None, there: Iterable[str] = ()
    ) -> None:
        """Move every object that the new refs need into the user's repository, as one pack, and change the refs.

        `there` are trees that refs of the user's hold already. What a partial clone had to fetch goes along, in the
        packs it came in. Signals wait meanwhile, and `.keep` files hold the packs until the refs do, as in git's own
        fetch: a gc meanwhile would take them for garbage.
        """
        updates = updates or {}
        tips = [new for new, _ in updates.values() if new]
        before = [old for _, old in updates.values() if old and self.has(old)]
        packs = [*self._fetched(), *self._made(tips, [*there, *before])]
        target = self.user.common_dir / "objects" / "pack"
        with uninterrupted():
            try:
                target.mkdir(exist_ok=True)
                (self.git_dir / MOVING).write_text("".join(f"{pack.stem}\n" for pack in packs))
                for pack in packs:
                    (target / f"{pack.stem}.keep").write_bytes(KEEP)
                    move_pack(pack, target)
                update_refs(self.user, updates)
            except OSError as error:
                raise write_failed(target, error) from error
            finally:
                tidy_move(self.git_dir, target)

    def _fetched(self) -> list[Path]:
        """The packs that came from a remote."""
        return [mark.with_suffix(".pack") for mark in self.git_dir.glob("objects*/pack/pack-*.promisor")]

    def _made(self, tips: Sequence[str], there: Iterable[str]) -> list[Path]:
        """One pack of what `tips` need beyond what is `there`; without tips, all packs as they are.

        It is found by following the tips, not by listing what was written here: git writes no object that it finds in
        a pack, and that may be of a comparison that was forgotten, and gone at the next gc. For the same reason the
        comparisons of other names do not count as there: they may be forgotten while we are at it.
        """
        if not tips:
            return sorted(set(self.git_dir.glob("objects*/pack/pack-*.pack")) - set(self._fetched()))
        wanted = "\n".join([*tips, *(f"^{name}" for name in dict.fromkeys(there)), ""])
        options = ("-q", "--revs", "--non-empty", "--window=0", "--delta-base-offset", "--missing=allow-promisor")
        name = self.text("pack-objects", *options, str(self.git_dir / "pack"), stdin=wanted.encode())
        return [self.git_dir / f"pack-{name}.pack"] if name else []


def move_pack(pack: Path, target: Path) -> None:
    """Move a pack with its index into the folder `target`, which may lie on another disk."""
    for suffix in PARTS:
        part = pack.with_suffix(suffix)
        if part.exists():
            try:
                os.replace(part, target / part.name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                copied = target / f"tmp_{part.name}"  # a name that git's own gc removes
                shutil.copy2(part, copied)
                os.replace(copied, target / part.name)


def tidy_move(scratch: Path, target: Path) -> None:
    """End the move that `scratch` has noted: nothing holds the packs any more, and a half of one is removed."""
    try:
        stems = (scratch / MOVING).read_text().split()
    except (OSError, ValueError):
        return
    for stem in stems:
        keep = target / f"{stem}.keep"
        parts = [] if (target / f"{stem}.idx").exists() else [target / f"{stem}{suffix}" for suffix in PARTS]
        with contextlib.suppress(OSError):
            for part in parts:
                part.unlink(missing_ok=True)
            if keep.read_bytes() == KEEP:
                keep.unlink()


def hold(folder: Path) -> int | None:
    """Lock a file in the folder until this process ends, however it ends; None where files cannot be locked.

    It gets its name once it is locked, so that nobody finds it free.
    """
    descriptor = os.open(folder / f"{ALIVE}.new", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.rename(folder / f"{ALIVE}.new", folder / ALIVE)
    return descriptor


def remove_dead(common_dir: Path) -> None:
    """Remove scratch folders that killed runs left behind, and what was half moved out of them."""
    for folder in common_dir.glob(SCRATCH_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if is_dead(folder):
                tidy_move(folder, common_dir / "objects" / "pack")
                remove_folder(folder)


def is_dead(folder: Path) -> bool:
    """Whether the run that made a scratch folder has ended: its lock is free.

    Without a lock it is known by its age: a minute if it never came to anything, a day where files cannot be locked.
    """
    try:
        descriptor = os.open(folder / ALIVE, os.O_RDWR)
    except FileNotFoundError:
        limit = STALE_SECONDS if (folder / "objects").exists() else 60
        return folder.is_dir() and time.time() - folder.lstat().st_mtime > limit
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
