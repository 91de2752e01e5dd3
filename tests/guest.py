"""The walk of fixtures/stray-writer: modules built from two trees, a guest that loads them, and what it said.

Debian's packaged kernel is used as it comes: its headers to build, its image to boot. The image need not be installed:
`.kernel` in the checkout may hold the unpacked package.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORY = ROOT / "fixtures" / "stray-writer"
HEADERS = "lib/modules/6.1.*-cloud-amd64/build"
#: Where the image and its modules may be.
PLACES = (ROOT / ".kernel", Path("/"))
#: What the guest needs of the kernel's modules for its two disks, in the order of loading.
MODULES = (
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
)
PAGE = 4096
#: The file of the story: 64 pages, the last one not full.
VERSION = b"".join(b"wan-box 7.%d %s\n" % (at, md5(b"%d" % at).hexdigest().encode()) for at in range(5700))[
    : 64 * PAGE - 100
]
COPY = 1 << 20  # bytes of the second disk for each copy of the file
MEMORY = "448M"  # the guest knows a page frame that is behind it
LAST = "guard last session"  # the step in which the guest is to die
PATIENCE = 300  # seconds for the guest, many times what it needs on an idle machine
TELLING = re.compile(r"\[ *\d+\.\d+\] (.*)")


class MissingError(Exception):
    """What the walk needs is not on this machine."""


class LostError(Exception):
    """A guest did not come to the end of the walk."""


@dataclass(frozen=True)
class Kernel:
    """A packaged kernel."""

    headers: Path
    image: Path
    modules: Path


@dataclass(frozen=True)
class Walk:
    """What a guest said and left."""

    steps: Mapping[str, Sequence[str]]  # the lines of each step; of a name that comes again, the last one
    console: bytes  # the kernel's log
    copies: Sequence[bytes]  # the file as it read at three moments: twice spoilt, then sound

    def digests(self, step: str) -> dict[int, tuple[int, str]]:
        """The cached pages in a step: index -> number of the frame, MD5."""
        found = [line.split() for line in self.steps[step] if line.startswith("page ")]
        return {int(words[1]): (int(words[3], 16), words[9]) for words in found}

    def sums(self, step: str) -> list[str]:
        """The MD5 of the whole file in a step, each time that it was read."""
        return [line.split()[0] for line in self.steps[step] if line.endswith("  /flash/version")]

    def dumps(self, step: str) -> dict[int, bytes]:
        """The pages that were dumped in a step: number of the frame -> bytes."""
        found: dict[int, bytes] = {}
        frame = 0
        for line in self.steps[step]:
            if line.startswith("pfn "):
                frame = int(line.split()[1], 16)
                found[frame] = b""
            elif re.match(r"[0-9a-f]{3}: ", line):
                assert int(line[:3], 16) == len(found[frame])
                found[frame] += bytes.fromhex(line[5:52])
        return found

    def runs(self, step: str) -> list[tuple[str, int]]:
        """The commands of a step with their status."""
        lines = self.steps[step]
        commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        status = [int(line.removeprefix("status ")) for line in lines if line.startswith("status ")]
        return list(zip(commands, status, strict=True))

    def reasons(self) -> dict[str, str]:
        """What the kernel's log says last after each command."""
        found: dict[str, str] = {}
        command = ""
        for line in self.console.decode("ascii", "replace").splitlines():
            match = TELLING.match(line)
            text = match[1] if match else line
            if text.startswith("$ "):
                command = text.removeprefix("$ ")
                found[command] = ""
            elif command and text.startswith("page_"):
                found[command] = text
        return found


def find_kernel() -> Kernel:
    """The newest packaged kernel whose headers and image are there; MissingError says what is not."""
    for tool in ("make", "qemu-system-x86_64", "busybox"):
        if shutil.which(tool) is None:
            raise MissingError(f"{tool} is not installed")
    found = sorted(Path("/").glob(HEADERS))
    if not found:
        raise MissingError(f"no kernel headers /{HEADERS} (linux-headers-cloud-amd64)")
    for headers in reversed(found):
        release = headers.parent.name
        for place in PLACES:
            kernel = Kernel(headers, place / f"boot/vmlinuz-{release}", place / f"lib/modules/{release}/kernel")
            if kernel.image.exists() and all((kernel.modules / name).exists() for name in MODULES):
                return kernel
    raise MissingError(f"no image of the kernel {found[-1].parent.name} in {' or '.join(map(str, PLACES))}")


def build(trees: Sequence[Path], kernel: Kernel) -> None:
    """Build the modules of some trees, side by side; a warning is an error."""
    command = ["make", "-s", "-j2", f"KDIR={kernel.headers}", "KCFLAGS=-g0 -Werror"]
    jobs = [
        subprocess.Popen(command, cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for tree in trees
    ]
    for job in jobs:
        output = job.communicate(timeout=PATIENCE)[0]
        assert job.returncode == 0, os.fsdecode(output)


def pack(folder: Path, trees: Mapping[str, Path], kernel: Kernel) -> Path:
    """The guest's first file system, with the modules of some trees, each in a folder by its name."""
    root = folder / "root"
    for name in ("bin", "modules", "dev", "proc", "sys", *trees):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "busybox", root / "bin/busybox")
    for name in MODULES:
        shutil.copy(kernel.modules / name, root / "modules")
    (root / "modules/order").write_text("".join(f"{Path(name).name}\n" for name in MODULES))
    for name, tree in trees.items():
        for module in tree.rglob("*.ko"):
            shutil.copy(module, root / name)
    (root / "version").write_bytes(VERSION)
    for name in ("init", "answer"):
        shutil.copy(STORY / "guest" / name, root / name)
        (root / name).chmod(0o755)
    names = b"".join(os.fsencode(path.relative_to(root)) + b"\n" for path in sorted(root.rglob("*")))
    archive = folder / "initramfs"
    with archive.open("wb") as out:
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], input=names, stdout=out, cwd=root, check=True)
    return archive


def boot(folder: Path, archive: Path, kernel: Kernel) -> Walk:
    """Run the guest to the end of the walk; once more if its stray writer hit the guest itself, which may happen."""
    try:
        return boot_once(folder, archive, kernel)
    except LostError as lost:
        print(lost)
    return boot_once(folder, archive, kernel)


def boot_once(folder: Path, archive: Path, kernel: Kernel) -> Walk:
    """Run the guest until its kernel stops; LostError if that is not at the end of the walk."""
    console, said, flash, out = (folder / name for name in ("console.log", "walk.log", "flash", "copies"))
    for path, size in ((flash, 32 << 20), (out, 4 * COPY)):
        path.touch()
        os.truncate(path, size)
    command = ["qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "qemu64", "-smp", "1", "-m", MEMORY]
    command += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{console}", "-serial", f"file:{said}"]
    command += [
        "-kernel",
        str(kernel.image),
        "-initrd",
        str(archive),
        "-append",
        "console=ttyS0 quiet panic=-1 printk.devkmsg=on",
    ]
    for path in (flash, out):
        command += ["-drive", f"file={path},format=raw,if=virtio"]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=PATIENCE)
    steps = dict(read_steps(said.read_text("ascii", "replace").replace("\r", "")))
    if LAST not in steps:
        raise LostError(f"the guest came to {list(steps)[-1:]}, and its kernel's log ends with\n{tail(console)}")
    data = out.read_bytes()
    return Walk(steps, console.read_bytes(), [data[at * COPY :][: len(VERSION)] for at in range(3)])


def tail(path: Path) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text("ascii", "replace").splitlines()[-40:])


def read_steps(said: str) -> Iterator[tuple[str, list[str]]]:
    """The steps of a walk with their lines."""
    for part in ("\n" + said).split("\n== ")[1:]:
        name, *lines = part.splitlines()
        yield name, lines
