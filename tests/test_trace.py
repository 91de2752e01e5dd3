"""Reading stacks out of pasted text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_metadiff.errors import MetadiffError
from git_metadiff.trace import FORMS, Frame, function_name, parse_trace

STORY = Path(__file__).resolve().parent.parent / "fixtures" / "xen-boot-crash" / "trace.txt"

#: As pasted through a web form: one line, and words of neighbouring lines touch.
GLUED = (
    b"rip: ffffffff8100b2b0 pmu_msr_read+0x10flags: 00000282 i s nzrsp: ffffffff81c03e58rax: 0000000000000000 "
    b"rdi: 00000000c0000080gs: 0000 @ 0000000000000000/0000000000000000Code (instr addr ffffffff8100b2b0) "
    b"65 48 8b 04 25 28 00 00 00 48 Stack: 0000000000000000 Call Trace:  [<ffffffff8100b2b0>] pmu_msr_read+0x10 <--  "
    b"[<ffffffff810039b8>] xen_read_msr_safe+0x18  [<ffffffff81d7b280>] xen_start_kernel+0x1b9"
)


def short(text: bytes) -> list[str]:
    """The frames of a text: `function+offset/size [module]`, `?` in front of doubtful ones."""
    return [shorten(frame) for frame in parse_trace(text).frames]


def shorten(frame: Frame) -> str:
    """One frame in the kernel's own words."""
    offset = "" if frame.offset is None else f"+{frame.offset:#x}"
    size = "" if frame.size is None else f"/{frame.size:#x}"
    module = "" if frame.module is None else f" [{frame.module}]"
    return ("" if frame.reliable else "? ") + frame.function + offset + size + module


@pytest.mark.parametrize("text", [GLUED, STORY.read_bytes() if STORY.exists() else GLUED], ids=["glued", "fixture"])
def test_the_dump_of_the_story(text: bytes) -> None:
    trace = parse_trace(text)
    assert [shorten(frame) for frame in trace.frames] == [
        "pmu_msr_read+0x10",
        "xen_read_msr_safe+0x18",
        "xen_start_kernel+0x1b9",
    ]
    assert [frame.at for frame in trace.frames] == [0, 1, 2]
    assert trace.repeated == 1
    assert trace.code[:6] == b"\x65\x48\x8b\x04\x25\x28" and trace.faulting == 0
    assert trace.registers["gs_base"] == 0 and trace.registers["rdi"] == 0xC0000080
    assert trace.registers["rsp"] == 0xFFFFFFFF81C03E58, "glued to the flags before it"
    assert trace.frames[1].address == "ffffffff810039b8"


OOPS = b"""\
<1>[  796.0] BUG: unable to handle kernel paging request at 0000000b819fdb98
<1>[  796.0] IP: [<ffffffff812a588f>] notify_remote+0x13/0x34
<4>[  796.0] RIP: e030:[<ffffffff812a588f>]  [<ffffffff812a588f>] notify_remote+0x13/0x34
<4>[  796.0] RAX: ffff8800e61c8000 RBX: ffff8800e62f82c0 RCX: 0000000000000000
<4>[  796.0] FS:  00007f409d3906e0(0000) GS:ffff8800028b8000(0000) knlGS:0000000000000000
<0>[  796.0] Call Trace:
<4>[  796.0]  [<ffffffff812714ee>] ? xs_talk.isra.3+0x1/0x2 [xenbus]
<4>[  796.0]  [<ffffffff81271111>] wait_for+0xa1/0x2b0
<0>[  796.0] Code: 31 c0 e8 1a 5e 00 <f0> 0f ab 10
<1>[  796.0] RIP  [<ffffffff812a588f>] notify_remote+0x13/0x34
"""
NEW_OOPS = b"""\
Mar  3 11:02:07 host kernel: RIP: 0010:nf_hook+0x10/0x20 [nf_tables]
Mar  3 11:02:07 host kernel: Call Trace:
Mar  3 11:02:07 host kernel:  <TASK>
Mar  3 11:02:07 host kernel:  ? die+0x1/0x2
Mar  3 11:02:07 host kernel:  ip_rcv.cold+0x3c/0x90
Mar  3 11:02:07 host kernel:  recurse+0x5/0x9
Mar  3 11:02:07 host kernel:  recurse+0x5/0x9
Mar  3 11:02:07 host kernel: RIP: 0033:0x7f1234
"""
ARM64 = b"""\
pc : mtk_probe+0x4c/0x70 [wan]
lr : really_probe+0x1c/0x70
Call trace:
 mtk_probe+0x4c/0x70 [wan]
 really_probe+0x1c/0x70
 el0_sync+0x8/0xc
"""
ARM = b"PC is at f+0x10/0x20\nLR is at g+0x1/0x2\n[<c0012345>] (f+0x10/0x20) from [<c0012300>] (g+0x1/0x2)\n"
GDB = b"#0  0x00007ffff7e4a in raise (sig=6) at x.c:1\n#1  main (argc=1, argv=0x7f) at m.c:3\n"


@pytest.mark.parametrize(
    ("text", "frames", "repeated"),
    [
        (OOPS, ["notify_remote+0x13/0x34", "? xs_talk+0x1/0x2 [xenbus]", "wait_for+0xa1/0x2b0"], 2),
        (
            NEW_OOPS,
            ["nf_hook+0x10/0x20 [nf_tables]", "? die+0x1/0x2", "ip_rcv+0x3c/0x90", *["recurse+0x5/0x9"] * 2],
            0,
        ),
        (ARM64, ["mtk_probe+0x4c/0x70 [wan]", "really_probe+0x1c/0x70", "el0_sync+0x8/0xc"], 1),
        (ARM, ["f+0x10/0x20", "g+0x1/0x2"], 1),
        (GDB, ["raise", "main"], 0),
        (b"text around\r\n [<c0>] only_one+0xfe/0x100\r\nmore", ["only_one+0xfe/0x100"], 0),
        (b"f\xfcr: [<c0>] one+0x1/0x2", ["one+0x1/0x2"], 0),
    ],
    ids=["x86", "x86-new", "arm64", "arm", "gdb", "crlf", "latin-1"],
)
def test_forms(text: bytes, frames: list[str], repeated: int) -> None:
    assert short(text) == frames
    assert parse_trace(text).repeated == repeated


def test_machine_state_of_an_oops() -> None:
    trace = parse_trace(OOPS)
    assert trace.code == bytes.fromhex("31c0e81a5e00f00fab10") and trace.faulting == 6
    assert trace.registers["rbx"] == 0xFFFF8800E62F82C0 and trace.registers["gs_base"] == 0xFFFF8800028B8000
    assert trace.frames[0].address == "ffffffff812a588f"


def test_a_text_with_two_reports_gives_the_first() -> None:
    second = OOPS.replace(b"notify_remote", b"another_place").replace(b"wait_for", b"other_caller")
    assert short(OOPS + second) == short(OOPS)


def test_no_frame_is_an_error_that_says_what_was_looked_for() -> None:
    with pytest.raises(MetadiffError) as caught:
        parse_trace(b"It hangs at boot. a+b, x+0x, #12 (nothing).")
    assert "no frame" in caught.value.message
    assert all(form.name in caught.value.hint for form in FORMS)
    assert "\n" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("f.isra.0", "f"),
        ("f.constprop.3.isra.1", "f"),
        ("f.part.12.cold", "f"),
        ("f.cold", "f"),
        ("f.1234", "f"),
        ("isra.f", "isra.f"),
        ("f", "f"),
    ],
)
def test_suffixes_of_the_compiler(symbol: str, name: str) -> None:
    assert function_name(symbol) == name


@given(st.binary(max_size=200) | st.text(alphabet="[<>]+0x1/ #?()RIPripc: af\n", max_size=200).map(str.encode))
def test_any_text_is_read_or_refused(text: bytes) -> None:
    try:
        trace = parse_trace(text)
    except MetadiffError:
        return
    assert [frame.at for frame in trace.frames] == list(range(len(trace.frames))) and trace.frames
