"""Reading stacks out of pasted text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_metadiff.errors import MetadiffError
from git_metadiff.trace import FORMS, Frame, canonical, function_name, parse_trace

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

KASAN = b"""\
[   12.345678] ==================================================================
[   12.345679] BUG: KASAN: slab-use-after-free in ring_put+0x1b/0x40 [ringbuf]
[   12.345680] Read of size 8 at addr ffff888003c1a000 by task cat/123
[   12.345690] CPU: 1 PID: 123 Comm: cat Tainted: G        W  O       6.1.0 #1
[   12.345700] Call Trace:
[   12.345701]  <TASK>
[   12.345702]  dump_stack_lvl+0x34/0x48
[   12.345703]  print_report+0x170/0x4a0
[   12.345704]  ? __virt_addr_valid+0xcf/0x140
[   12.345705]  kasan_report+0xb4/0xe0
[   12.345706]  ? ring_put+0x1b/0x40 [ringbuf]
[   12.345707]  __asan_load8+0x7e/0xb0
[   12.345708]  ring_put+0x1b/0x40 [ringbuf]
[   12.345709]  ring_read+0x55/0x120 [ringbuf]
[   12.345710]  vfs_read+0x9d/0x280
[   12.345711]  __x64_sys_read+0x60/0xd0
[   12.345712]  </TASK>
[   12.345713] Allocated by task 120:
[   12.345714]  kasan_save_stack+0x1e/0x40
[   12.345715]  ring_get+0x20/0x50 [ringbuf]
"""
UBSAN = b"""\
<4>[   31.0] UBSAN: array-index-out-of-bounds in drivers/net/tulip.c:98:12
<4>[   31.0] index 9 is out of range for type 'int [8]'
<4>[   31.0] Call Trace:
<4>[   31.0]  dump_stack+0x8b/0xce
<4>[   31.0]  ubsan_epilogue+0x5/0x40
<4>[   31.0]  __ubsan_handle_out_of_bounds+0x64/0x70
<4>[   31.0]  tulip_ioctl+0x1f0/0x300
<4>[   31.0]  dev_ioctl+0x10/0x20
"""
ASAN = b"""\
==4711==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000014 at pc 0x4f2b1c bp 0x7ffd sp 0x7ffc
READ of size 1 at 0x602000000014 thread T0
    #0 0x49a2b4 in __interceptor_memcpy (/home/u/prog+0x49a2b4)
    #1 0x4f2b1b in parse_header /home/u/src/parse.c:12:9
    #2 0x4f2c00 in net::Reader::fill(int, char const*) /home/u/src/reader.cc:44:3
    #3 0x4f3000 in main /home/u/src/main.c:7
    #4 0x7f0011 in __libc_start_main (/lib/libc.so.6+0x2409a)

0x602000000014 is located 0 bytes to the right of 4-byte region
allocated by thread T0 here:
    #0 0x4c0000 in malloc (/home/u/prog+0x4c0000)
    #1 0x4f2a00 in make_buffer /home/u/src/parse.c:5:1
"""
GDB_CPLUSPLUS = b"""\
Program received signal SIGSEGV, Segmentation fault.
0x0000555555555139 in ring_put (r=0x0) at ring.c:10
(gdb) bt
#0  0x0000555555555139 in ring_put (r=0x0) at ring.c:10
#1  <signal handler called>
#2  0x0000555555555160 in net::Reader<int>::fill (this=0x7ffe, n=3) at reader.cc:44
#3  operator() (x=1) at m.cc:3
#4  0x00007ffff7df0d0a in __libc_start_main () from /lib/x86_64-linux-gnu/libc.so.6
#5  main (argc=1,
    argv=0x7ffe) at main.c:7

Thread 2 (Thread 0x7f):
#0  0x00 in poll () from /lib/libc.so
"""
DECODED = b"""\
[  1.0] RIP: 0010:ring_put (drivers/ring/ring.c:123 (discriminator 3)) ringbuf
[  1.0] Call Trace:
[  1.0]  <TASK>
[  1.0]  ring_read (drivers/ring/ring.c:200) ringbuf
[  1.0]  ? vfs_read (./include/linux/fs.h:12 fs/read_write.c:450)
[  1.0]  __do_sys_read (fs/read_write.c:600)
"""
WARNING = b"""\
------------[ cut here ]------------
WARNING: CPU: 0 PID: 1 at kernel/fork.c:88 copy_task+0x11/0x200()
Modules linked in: a(O) b
Call Trace:
 [<ffffffff8104a1b2>] dump_stack+0x45/0x57
 [<ffffffff8104a1b3>] warn_slowpath_common+0x7d/0xa0
 [<ffffffff8104a1b4>] warn_slowpath_null+0x15/0x20
 [<ffffffff8104a1b5>] copy_task+0x11/0x200
 [<ffffffff8104a1b6>] SyS_clone+0x16/0x20
"""
ARM64_SYSLOG = b"""\
Nov 22 10:00:00 board kernel: [   10.123456] Unable to handle kernel paging request at virtual address 00000008
Nov 22 10:00:00 board kernel: [   10.123457] PC is at ring_put+0x14/0x30 [ringbuf]
Nov 22 10:00:00 board kernel: [   10.123458] LR is at ring_read+0x20/0x80 [ringbuf]
Nov 22 10:00:00 board kernel: [   10.123459] pc : [<ffffff80005c0014>] lr : [<ffffff80005c0050>] pstate: 60000145
Nov 22 10:00:00 board kernel: [   10.123460] Call trace:
Nov 22 10:00:00 board kernel: [   10.123461] [<ffffff80005c0014>] ring_put+0x14/0x30 [ringbuf]
Nov 22 10:00:00 board kernel: [   10.123462] [<ffffff80005c0050>] ring_read+0x20/0x80 [ringbuf]
Nov 22 10:00:00 board kernel: [   10.123463] Code: a9be7bfd 910003fd f9400400 (f9400401)
"""
ARM64_JOURNAL = b"""\
2024-01-02T03:04:05.123456+00:00 board kernel: CPU: 3 PID: 77 Comm: kworker/3:1 Not tainted 6.6.0 #1
2024-01-02T03:04:05.123456+00:00 board kernel: pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
2024-01-02T03:04:05.123456+00:00 board kernel: pc : ring_put+0x14/0x30 [ringbuf]
2024-01-02T03:04:05.123456+00:00 board kernel: lr : ring_read+0x20/0x80 [ringbuf]
2024-01-02T03:04:05.123456+00:00 board kernel: Call trace:
2024-01-02T03:04:05.123456+00:00 board kernel:  ring_put+0x14/0x30 [ringbuf] (P)
2024-01-02T03:04:05.123456+00:00 board kernel:  ring_read+0x20/0x80 [ringbuf] (L)
2024-01-02T03:04:05.123456+00:00 board kernel:  __arm64_sys_read+0x1c/0x28
"""
I386 = b"""\
EIP is at tulip_ioctl+0x1d/0x40 [tulip]
EAX: 00000000 EBX: c1234567
Call Trace:
 [<c1004000>] dev_ioctl+0x10/0x20
 [<c1004000>] ? dev_ioctl.part.3+0x10/0x20
 [<c1004001>] sys_ioctl+0x20/0x40
EIP: [<c1000000>] tulip_ioctl+0x1d/0x40 [tulip] SS:ESP 0068:c1
"""
GLUED_OOPS = (
    b"BUG: unable to handle kernel NULL pointer dereference at 0000000000000008IP: [<ffffffff8100c4f0>] "
    b"ring_put+0x10/0x40PGD 0 Oops: 0000 [#1] SMP RIP: 0010:[<ffffffff8100c4f0>]  [<ffffffff8100c4f0>] "
    b"ring_put+0x10/0x40RSP: 0018:ffff RAX: 0000000000000000Call Trace: [<ffffffff81001234>] "
    b"ring_read+0xab/0xcd [<ffffffff81001235>] vfs_read+0x9d/0x280Code: 65 48 8b 04 25 28 00 00 00"
)


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
        (
            KASAN,
            [
                "ring_put+0x1b/0x40 [ringbuf]",
                "ring_read+0x55/0x120 [ringbuf]",
                "vfs_read+0x9d/0x280",
                "__x64_sys_read+0x60/0xd0",
            ],
            1,
        ),
        (UBSAN, ["tulip_ioctl+0x1f0/0x300", "dev_ioctl+0x10/0x20"], 0),
        (WARNING, ["copy_task+0x11/0x200", "SyS_clone+0x16/0x20"], 1),
        (ASAN, ["parse_header", "fill", "main", "__libc_start_main"], 0),
        (GDB_CPLUSPLUS, ["ring_put", "fill", "operator", "__libc_start_main", "main"], 0),
        (DECODED, ["ring_put", "ring_read", "? vfs_read", "__do_sys_read"], 0),
        (ARM64_SYSLOG, ["ring_put+0x14/0x30 [ringbuf]", "ring_read+0x20/0x80 [ringbuf]"], 1),
        (
            ARM64_JOURNAL,
            ["ring_put+0x14/0x30 [ringbuf]", "ring_read+0x20/0x80 [ringbuf]", "__arm64_sys_read+0x1c/0x28"],
            1,
        ),
        (
            I386,
            ["tulip_ioctl+0x1d/0x40 [tulip]", "dev_ioctl+0x10/0x20", "? dev_ioctl+0x10/0x20", "sys_ioctl+0x20/0x40"],
            1,
        ),
        (GLUED_OOPS, ["ring_put+0x10/0x40", "ring_read+0xab/0xcd", "vfs_read+0x9d/0x280"], 1),
    ],
    ids=[
        "x86",
        "x86-new",
        "arm64",
        "arm",
        "gdb",
        "crlf",
        "latin-1",
        "kasan",
        "ubsan",
        "warning",
        "asan",
        "gdb-c++",
        "decoded",
        "arm64-syslog",
        "arm64-journal",
        "i386",
        "glued",
    ],
)
def test_forms(text: bytes, frames: list[str], repeated: int) -> None:
    assert short(text) == frames
    assert parse_trace(text).repeated == repeated


@pytest.mark.parametrize(
    ("text", "dropped"), [(KASAN, 6), (UBSAN, 3), (WARNING, 3), (ASAN, 1), (OOPS, 0), (b"dump_stack+0x1/0x2", 0)]
)
def test_frames_that_only_made_the_report_are_dropped(text: bytes, dropped: int) -> None:
    trace = parse_trace(text)
    assert trace.reporting == dropped and [frame.at for frame in trace.frames] == list(range(len(trace.frames)))


PREFIXES = (
    b"[  796.012345] ",
    b"[  796.012345][    T1] ",
    b"<4>[ 796.0] ",
    b"Mar  3 11:02:07 host kernel: ",
    b"Mar  3 11:02:07 host kernel: [  796.0] ",
    b"2024-01-02T03:04:05.123456+00:00 host kernel: ",
    b"kern  :warn  : [  796.0] ",
    b"> ",
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("text", [re.sub(rb"(?m)^\[.*?\] ", b"", KASAN), NEW_OOPS, ARM64, DECODED], ids=list("kxad"))
def test_prefixes_of_logs_make_no_difference(prefix: bytes, text: bytes) -> None:
    assert short(b"".join(prefix + line for line in text.splitlines(keepends=True))) == short(text)


@pytest.mark.parametrize(
    ("names", "one"),
    [
        (["sys_open", "SyS_open", "SYSC_open", "__x64_sys_open", "__ia32_sys_open", "__se_sys_open"], "sys_open"),
        (["__do_sys_open", "__arm64_sys_open", "SYSCALL_DEFINE3(open)", "SyS_open.isra.2"], "sys_open"),
        (["compat_SyS_ioctl", "__ia32_compat_sys_ioctl", "COMPAT_SYSCALL_DEFINE3(ioctl)"], "compat_sys_ioctl"),
        (["do_open", "do_open.constprop.0"], "do_open"),
        (["ksys_open"], "ksys_open"),
        (["DEFINE_SHOW(open)"], "DEFINE_SHOW(open)"),
    ],
)
def test_one_name_for_all_that_a_function_is_called(names: list[str], one: str) -> None:
    assert {canonical(name) for name in names} == {one}


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
