"""OpenPGP signatures, judged by gpgv: a process with an empty home, which sees the given keys and no others.

What counts are gpgv's status lines (GnuPG's doc/DETAILS), not its exit status: that is 0 for a key that was revoked.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from git_metadiff.errors import MetadiffError
from git_metadiff.verify.armor import ArmorError, dearmor
from git_metadiff.verify.digests import open_regular

#: Bytes that a signature, a keyring or a sums file may have: far more than any, and far less than memory.
MOST = 64 << 20
STATUS = b"[GNUPG:] "  # begins every status line
NO_KEY = "9"  # the reason of an ERRSIG without the public key

Outcome = Literal["good", "good, key expired since", "bad", "expired", "revoked", "unknown key", "unsupported"]
#: Status keyword -> what it says of one signature.
OUTCOMES: Mapping[str, Outcome] = {
    "GOODSIG": "good",
    "EXPKEYSIG": "expired",
    "EXPSIG": "expired",
    "REVKEYSIG": "revoked",
    "BADSIG": "bad",
    "ERRSIG": "unsupported",
}
#: The outcome of several signatures together: the first of these that one of them has.
ORDER: tuple[Outcome, ...] = (
    "bad",
    "good",
    "good, key expired since",
    "revoked",
    "expired",
    "unknown key",
    "unsupported",
)


@dataclass(slots=True)
class Signature:
    """One signature of a file, as gpgv judges it."""

    outcome: Outcome
    key: str  # id or fingerprint, as far as known
    user: str = ""  # who the key says that it belongs to
    time: int | None = None  # when it was made, in seconds since 1970, if it is valid

    @property
    def holds(self) -> bool:
        """Whether it can be trusted as far as its key can."""
        return self.outcome in ("good", "good, key expired since")


@dataclass(slots=True)
class Statuses:
    """What the status lines of one run say."""

    signatures: list[Signature] = field(default_factory=list)
    plaintexts: int = 0  # texts that were inside

    @property
    def outcome(self) -> Outcome | None:
        """Of all signatures together: one that is bad spoils all; else one good one is enough. None: there are none."""
        had = {one.outcome for one in self.signatures}
        return next((one for one in ORDER if one in had), None)

    @property
    def holds(self) -> bool:
        """Whether the content is what a given key signed."""
        return self.outcome in ("good", "good, key expired since")


def read_statuses(out: bytes) -> Statuses:
    """Read the lines that gpgv wrote to its status descriptor."""
    from urllib.parse import unquote

    found = Statuses()
    expiry = 0
    for line in out.decode("utf-8", "replace").splitlines():
        word, *rest = line.removeprefix(STATUS.decode()).split(" ") if line.startswith(STATUS.decode()) else [""]
        if word in OUTCOMES:
            unknown = word == "ERRSIG" and rest[5:6] == [NO_KEY]
            key = rest[6] if unknown and len(rest) > 6 else rest[0]
            user = "" if word == "ERRSIG" else unquote(" ".join(rest[1:]))
            found.signatures.append(Signature("unknown key" if unknown else OUTCOMES[word], key, user))
        elif word == "NEWSIG":
            expiry = 0
        elif word == "KEYEXPIRED" and rest[:1] and rest[0].isdigit():
            expiry = min(expiry or int(rest[0]), int(rest[0]))  # of a key and its subkey, the earlier
        elif word == "VALIDSIG" and found.signatures and len(rest) > 2:
            complete(found.signatures[-1], rest, expiry)
        elif word == "PLAINTEXT":
            found.plaintexts += 1
    return found


def complete(signature: Signature, rest: Sequence[str], expiry: int) -> None:
    """Add what a VALIDSIG line tells: primary fingerprint, and time.

    A key that expired after it signed was good then: releases are older than their keys' last days. `git verify-tag`
    takes such a signature too.
    """
    signature.key = rest[9] if len(rest) > 9 else rest[0]
    signature.time = int(rest[2]) if rest[2].isdigit() else None
    ends = int(rest[3]) if len(rest) > 3 and rest[3].isdigit() else 0  # of the signature itself; 0: never
    before = signature.time is not None and signature.time < expiry
    if signature.outcome == "expired" and not ends and before:
        signature.outcome = "good, key expired since"


class Gpgv:
    """gpgv with some keyrings, in a folder of its own that goes with it.

    `environ` is the environment from which it gets PATH and TMPDIR, and nothing else.
    """

    def __init__(self, keyrings: Sequence[Path], environ: Mapping[str, str]) -> None:
        self._names = ", ".join(map(str, keyrings))
        data = [read_keyring(path) for path in keyrings]
        self._folder = tempfile.TemporaryDirectory(prefix="metadiff-gpgv-", dir=environ.get("TMPDIR") or None)
        self.home = Path(self._folder.name)
        self._environ = {"PATH": environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        self._environ |= {"HOME": str(self.home), "GNUPGHOME": str(self.home)}
        self._keyrings = [self._keep(f"keyring-{at}", one) for at, one in enumerate(data)]

    def __enter__(self) -> Gpgv:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def detached(self, name: str, signature: bytes, content: Iterable[bytes | memoryview]) -> Statuses:
        """Judge a signature that stands apart from `content`; `name` is the signature's, for messages."""
        path = self._keep("signature", signature)
        return self._judged(name, self._run(["--", str(path), "-"], content))

    def clearsigned(self, name: str, data: bytes) -> tuple[Statuses, bytes]:
        """Judge a text with its signature inside, and return that text: nothing before, between or behind it."""
        inside = self.home / "text"
        inside.unlink(missing_ok=True)
        found = self._judged(name, self._run(["--output", str(inside), "--", str(self._keep("signed", data))], ()))
        if found.holds and found.plaintexts != 1:  # several texts, of which one may be unsigned
            raise MetadiffError(f"{name}: it holds {found.plaintexts} texts instead of one", "fetch it again")
        return found, inside.read_bytes() if inside.exists() else b""

    def _keep(self, name: str, data: bytes) -> Path:
        path = self.home / name
        path.write_bytes(data)
        return path

    def _run(self, arguments: Sequence[str], content: Iterable[bytes | memoryview]) -> bytes:
        """The status lines of one run."""
        keyrings = [word for path in self._keyrings for word in ("--keyring", str(path))]
        command = ["gpgv", "--homedir", str(self.home), "--status-fd", "1", *keyrings, *arguments]
        with tempfile.TemporaryFile(dir=self.home) as out:  # a pipe could fill while we write
            with start_error_named(), self._start(command, out.fileno()) as process:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError):  # it has seen enough
                    for piece in content:
                        process.stdin.write(piece)
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            out.seek(0)
            return out.read()

    def _start(self, command: Sequence[str], out: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=self._environ,
            cwd=self.home,
        )

    def _judged(self, name: str, out: bytes) -> Statuses:
        """The statuses; what tells nothing about the content raises MetadiffError."""
        found = read_statuses(out)
        if STATUS not in out:
            raise MetadiffError(f"{name}: gpgv ended without a word about it", "does 'gpgv --version' work here?")
        if found.outcome is None:
            raise MetadiffError(
                f"{name}: there is no signature in it", "a signature is a .sign, .sig, .asc or .gpg file"
            )
        if found.outcome == "unknown key":
            keys = ", ".join(one.key for one in found.signatures)
            raise MetadiffError(
                f"{name}: it is made by the key {keys}, which is not in {self._names}",
                "get that key from somebody whom you trust, and give it with --keyring",
            )
        if found.outcome == "unsupported":
            raise MetadiffError(f"{name}: gpgv cannot check this kind of signature", "a newer GnuPG may know it")
        return found


def read_keyring(path: Path) -> bytes:
    """A keyring in the form that gpgv reads."""
    try:
        return dearmor(read_small(path))
    except ArmorError as error:
        hint = "a keyring is what 'gpg --export <key>' writes, also with --armor"
        raise MetadiffError(f"the keyring {path} cannot be used: {error}", hint) from error


def read_small(path: Path) -> bytes:
    """The content of a signature, keyring or sums file."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST:
            raise MetadiffError(
                f"{path} is too large ({size} bytes)", "is it the file itself, in its signature's place?"
            )
        return b"".join(iter(lambda: file.read(MOST), b""))


@contextlib.contextmanager
def start_error_named() -> Iterator[None]:
    """Turn a gpgv that cannot be started into our own error."""
    try:
        yield
    except FileNotFoundError as error:
        raise MetadiffError("cannot run gpgv", "install gpgv (of GnuPG), and put it on PATH") from error
    except OSError as error:
        raise MetadiffError(f"cannot run gpgv: {error.strerror}", "put a gpgv that runs here on PATH") from error


SUFFIX = re.compile(r"\.(?:sign|sig|asc|gpg|pgp)\Z")


def stem(name: str) -> str:
    """The name of the file that a signature of this name belongs to; empty if the name does not tell."""
    return SUFFIX.sub("", name) if SUFFIX.search(name) else ""
