"""Reads the stack of a crash out of whatever text it was pasted in.

Each notation is one row of FORMS, searched anywhere in the text: log prefixes, surrounding words and even line breaks
that a web form lost do not matter. Of a text with several reports, the first is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile

from git_metadiff.errors import MetadiffError

SYMBOL = r"(?P<function>[A-Za-z_$][\w.$]*)"
ADDRESS = r"\[<(?P<address>[0-9a-f.]+)>\]"
#: Hexadecimal digits end where the line does, or where the next line's first word was glued to it (`+0x10flags:`).
GLUED = r"(?=(?:e?flags|e[a-ds][xip]|[c-f]s|code|call trace)\b\s*[:(]|[^0-9a-f]|$)"
OFFSET = rf"\+0x(?P<offset>[0-9a-f]+?){GLUED}"
SIZE = rf"/0x(?P<size>[0-9a-f]+?){GLUED}"
MODULE = r"(?:\s+\[(?P<module>[a-z_][\w-]*)(?:\([^)\]]*\))?[^\]\n]*\])?"
CODE_SEGMENT = r"(?:[0-9a-f]{4}:)?"
UNRELIABLE = r"(?P<doubt>\?\s+)?"
PLACE = rf"{SYMBOL}{OFFSET}{SIZE}{MODULE}"
PLACE_WITHOUT_SIZE = rf"{SYMBOL}{OFFSET}(?:{SIZE}{MODULE})?"
#: A source file with its line, as the kernel's decode_stacktrace.sh puts it in place of the offset.
SOURCE = r"\([\w./+-]+\.(?:c|h|S|rs):\d+(?:[^()\n]|\([^()\n]*\))*\)"
DECODED = rf"{SYMBOL}[ \t]+{SOURCE}{MODULE}"
#: `#0 0x4f2a in` of debuggers and sanitizers, and the scopes of C++.
NUMBERED = r"(?<!\S)#(?P<number>\d+)\s+"
AT_ADDRESS = r"(?P<address>0x[0-9a-f]+)\s+in\s+"
SCOPES = r"(?:[\w$~<>]+::)*~?"
#: Arguments, template arguments, or what ends a name without any.
ARGUMENTS = r"(?:<[^()\n]*>)?\s*\("


@dataclass(frozen=True, slots=True)
class Form:
    """One notation of a frame. `fault` marks those that name where the machine stood, not a caller."""

    name: str
    fault: bool
    pattern: re.Pattern[str]


def _form(name: str, fault: bool, pattern: str) -> Form:
    return Form(name, fault, re.compile(pattern, re.IGNORECASE | re.MULTILINE))


#: Where two match the same text, the earlier row wins.
FORMS = (
    _form(
        "xenctx registers, 'rip: ADDRESS FUNCTION+0x10'",
        True,
        rf"(?<![a-z_])[re]?ip:\s*(?P<address>[0-9a-f]{{8,16}})\s+{SYMBOL}{OFFSET}",
    ),
    _form(
        "x86 oops, 'RIP: 0010:FUNCTION+0x10/0x20'",
        True,
        rf"\b[re]?ip(?: is at|:)?\s+{CODE_SEGMENT}(?:\[<[0-9a-f]+>\]\s+(?=\[<))?(?:{ADDRESS}\s+)?{PLACE_WITHOUT_SIZE}",
    ),
    _form(
        "sanitizer or warning of a kernel, 'BUG: KASAN: ... in FUNCTION+0x10/0x20'",
        True,
        rf"\b(?:BUG: K\w+SAN: [^\n]{{1,80}}? in|WARNING: [^\n]{{0,60}}?\bat \S+:\d+)\s+{PLACE}",
    ),
    _form("arm oops, 'pc : FUNCTION+0x4c/0x70'", True, rf"\bpc(?: is at|\s*:)\s+{PLACE}"),
    # arm's link register is the caller, which the call trace names again.
    _form("", False, rf"\blr(?: is at|\s*:)\s+{PLACE}"),
    _form(
        "call trace, '[<ADDRESS>] FUNCTION+0x1/0x2'", False, rf"{ADDRESS}\s+{UNRELIABLE}(?:\(\s*)?{PLACE_WITHOUT_SIZE}"
    ),
    _form("call trace, 'FUNCTION+0x1/0x2'", False, rf"{UNRELIABLE}(?<![\w.$]){PLACE}"),
    _form("decoded oops, 'RIP: 0010:FUNCTION (FILE:LINE)'", True, rf"\b[re]?ip:\s+{CODE_SEGMENT}{DECODED}"),
    _form("decoded call trace, 'FUNCTION (FILE:LINE)'", False, rf"(?<![\w.$#:]){UNRELIABLE}(?<![\w.$]){DECODED}"),
    _form(
        "gdb, '#0  0x... in FUNCTION (...)'",
        False,
        rf"{NUMBERED}(?:{AT_ADDRESS})?{SCOPES}{SYMBOL}{ARGUMENTS}",
    ),
    _form(
        "AddressSanitizer, '#0 0x... in FUNCTION FILE:LINE'", False, rf"{NUMBERED}{AT_ADDRESS}{SCOPES}{SYMBOL}(?=\s)"
    ),
)
IGNORED = ""
#: Behind this, a report tells of another time: where the memory was allocated or freed.
EARLIER = re.compile(
    r"\b(?:allocated|freed) by (?:task|thread)\b|\blast potentially related work\b|\buninit was (?:stored|created)\b",
    re.IGNORECASE,
)
#: What a report is made by, which stands in front of what it is about.
REPORTER = re.compile(
    r"_?dump_stack(?:_lvl)?|show_stack|print_(?:address_description|report)|_*(?:k[acm]san|hwasan|[akmtu]san|ubsan)_\w+"
    r"|__?(?:asan|ubsan)\w*|check_memory_region\w*|check_region_inline|handle_overflow|__warn|warn_slowpath_\w+"
    r"|__interceptor_\w+|__sanitizer_\w+"
)

#: No boundary is asked for in front of a register's name: where line breaks were lost, the last number touches it.
REGISTER = re.compile(
    r"(?P<name>r(?:[a-d]x|[sd]i|[sbi]p|\d{1,2})|e(?:[a-d]x|[sd]i|[sbi]p))\s*:\s*(?P<value>[0-9a-f]{16}|[0-9a-f]{8})",
    re.IGNORECASE,
)
GS_BASE = re.compile(
    r"gs:\s*[0-9a-f]{1,4}\s*@\s*(?P<xen>[0-9a-f]{8,16})|\bgs:\s*(?P<kernel>[0-9a-f]{16})\(", re.IGNORECASE
)
BYTE = r"[<(]?[0-9a-f]{2}[>)]?"
BYTES = rf"(?P<bytes>(?:{BYTE}\s+){{4,}}(?:{BYTE}(?![0-9a-f]))?)"
CODE = re.compile(rf"(?<![a-z_])code\b[^:\n]{{0,40}}?(?:(?P<here>\(instr addr [0-9a-f]+\))|:)\s*{BYTES}", re.IGNORECASE)
#: Suffixes that compilers put on the symbols of a function's copies.
SUFFIXES = re.compile(r"(?:\.(?:isra|part|constprop|cold|llvm|lto_priv|localalias)(?:\.\d+)*)+$|\.\d+$")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stack."""

    function: str  # without the suffixes of a compiler
    offset: int | None
    size: int | None
    module: str | None
    reliable: bool  # False for frames that the kernel marks `?`
    address: str | None
    at: int  # position in the trace, from 0: the one that faulted


@dataclass(frozen=True, slots=True)
class Trace:
    """A stack, the faulting frame first."""

    frames: tuple[Frame, ...]
    repeated: int = 0  # how many repetitions of frame 0 were dropped
    code: bytes = b""  # machine code around the fault, as far as it was printed
    faulting: int | None = None  # index into `code` of the instruction that faulted
    registers: dict[str, int] = field(default_factory=dict)  # lower-case names, `gs_base` too
    reporting: int = 0  # how many frames of the report's own making were dropped (`dump_stack`, `kasan_report`)


def parse_trace(text: bytes) -> Trace:
    """Read the first report in `text`; MetadiffError if no frame is found."""
    # latin-1 keeps every byte; symbols and numbers are ASCII.
    plain = text.decode("latin-1")
    earlier = EARLIER.search(plain)
    found = _first_report(list(_frames(plain[: earlier.start()] if earlier else plain)))
    if earlier and not found:
        found = _first_report(list(_frames(plain)))
    if not found:
        forms = "; ".join(form.name for form in FORMS if form.name != IGNORED)
        raise MetadiffError("no frame of a stack found in the trace", f"looked for: {forms}")
    found, reporting = _without_reporters(found)
    frames, repeated = _faulting_first(found)
    code, faulting = _code(plain)
    numbered = tuple(replace(frame, at=at) for at, frame in enumerate(frames))
    return Trace(numbered, repeated, code, faulting, _registers(plain), reporting)


def function_name(symbol: str) -> str:
    """A symbol without what the compiler appended (`.isra.0`, `.constprop.3`, `.cold`)."""
    return SUFFIXES.sub("", symbol) or symbol


#: What kernels put in front of the name of a system call, and what a source calls it.
SYSCALL_SYMBOL = re.compile(
    r"(?:__(?:x64|ia32|x32|arm64|arm32|s390x?|riscv|powerpc|mips|se|do)_)?(?P<compat>compat_)?(?:sys|SyS)_(?P<name>\w+)"
    r"|(?P<old_compat>C_)?SYSC_(?P<old>\w+)"
)
SYSCALL_SECTION = re.compile(r"(?P<compat>COMPAT_)?SYSCALL_DEFINE\d\(\s*(?P<name>\w+)\)?")


def canonical(name: str) -> str:
    """One name for all that a function is called: `sys_open` for `SyS_open`, `__x64_sys_open` and the section
    `SYSCALL_DEFINE3(open)`; other names without what the compiler appended."""
    match = SYSCALL_SECTION.fullmatch(name) or SYSCALL_SYMBOL.fullmatch(function_name(name))
    if match is None:
        return function_name(name)
    groups = match.groupdict()
    is_compat = groups["compat"] or groups.get("old_compat")
    return f"{'compat_' if is_compat else ''}sys_{groups['name'] or groups['old']}"


def _frames(text: str) -> Iterator[tuple[Frame, bool]]:
    """The frames in the order of the text, each with whether it is where the machine stood."""
    taken: list[tuple[int, Form, re.Match[str]]] = []
    covered = bytearray(len(text))  # marks the characters that an earlier row matched
    for form in FORMS:
        for match in form.pattern.finditer(text):
            if any(covered[match.start("function") : match.end()]):
                continue
            covered[match.start() : match.end()] = b"\1" * (match.end() - match.start())
            taken.append((match.start(), form, match))
    last = -1
    for _, form, match in sorted(taken, key=lambda item: item[0]):
        number = int(match.groupdict().get("number") or last + 1)
        if "number" in match.groupdict() and number <= last:
            return  # another thread, or who freed the memory
        last = number
        if form.name != IGNORED:
            yield _frame(match), form.fault


def _frame(match: re.Match[str]) -> Frame:
    groups = match.groupdict()
    return Frame(
        function=function_name(groups["function"]),
        offset=_hex(groups.get("offset")),
        size=_hex(groups.get("size")),
        module=groups.get("module"),
        reliable=not groups.get("doubt"),
        address=groups.get("address"),
        at=0,
    )


def _hex(digits: str | None) -> int | None:
    return int(digits, 16) if digits else None


def _first_report(found: list[tuple[Frame, bool]]) -> list[tuple[Frame, bool]]:
    """Everything up to where the machine is said to have stood elsewhere, after a stack was given."""
    fault: Frame | None = None
    seen_callers = False
    for at, (frame, is_fault) in enumerate(found):
        if not is_fault:
            seen_callers = True
        elif fault is None:
            fault = frame
        elif not _same(frame, fault) and seen_callers:
            return found[:at]
    return found


def _without_reporters(found: list[tuple[Frame, bool]]) -> tuple[list[tuple[Frame, bool]], int]:
    """The frames without the callers in front that only made the report, unless there are no others; and how many."""
    callers = [at for at, (_, is_fault) in enumerate(found) if not is_fault]
    leading = list(takewhile(lambda at: _reports(found[at][0]) or not found[at][0].reliable, callers))
    while leading and not _reports(found[leading[-1]][0]):
        leading.pop()
    if len(leading) == len(found):
        return found, 0
    return [one for at, one in enumerate(found) if at not in leading], len(leading)


def _reports(frame: Frame) -> bool:
    return REPORTER.fullmatch(frame.function) is not None


def _faulting_first(found: list[tuple[Frame, bool]]) -> tuple[list[Frame], int]:
    """The frames with the faulting one in front, and how often it was said again."""
    faults = [frame for frame, is_fault in found if is_fault]
    callers = [frame for frame, is_fault in found if not is_fault]
    if not faults:
        return callers, 0
    first = faults[0]
    repeated = sum(_same(frame, first) for frame in faults[1:])
    others = [frame for frame in faults[1:] if not _same(frame, first)]
    if callers and _same(callers[0], first):
        repeated += 1
        first = _richer(first, callers[0])
        callers = callers[1:]
    return [first, *others, *callers], repeated


def _same(one: Frame, two: Frame) -> bool:
    return (one.function, one.offset) == (two.function, two.offset)


def _richer(one: Frame, two: Frame) -> Frame:
    """`one` with what only `two` tells."""
    return replace(one, size=one.size or two.size, module=one.module or two.module, address=one.address or two.address)


def _code(text: str) -> tuple[bytes, int | None]:
    match = CODE.search(text)
    if not match:
        return b"", None
    words = match["bytes"].split()
    marked = [at for at, word in enumerate(words) if not word[0].isalnum()]
    if not marked and match["here"]:
        marked = [0]  # xenctx prints from the instruction pointer on
    return bytes(int(word.strip("<>()"), 16) for word in words), marked[0] if marked else None


def _registers(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for match in REGISTER.finditer(text):
        found.setdefault(match["name"].lower(), int(match["value"], 16))
    base = GS_BASE.search(text)
    if base:
        found["gs_base"] = int(base["xen"] or base["kernel"], 16)
    return found
