"""The texts of planted changes: guards, calls, wrapped calls, changed types, deleted blocks, new functions."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

VERBS = b"""audit check clamp confine count deny drain enforce fence filter fold forbid freeze grant guard harden hide
inspect limit lock log mask note pin poison probe purge quota randomize reap refuse restrict revoke sanitize seal
scrub shield strip taint track trap unmap validate verify veto wipe zap""".split()
NOUNS = b"""access alias arena argument bounds buffer bytes caller canary caps chroot cookie counter cred depth domain
entry extent fault frame gadget handle header heap identity inode ioctl jump kernel label latch leak length mapping
memory mode module mount name nonce object offset origin owner packet page path peer permission policy pool port
process quota range record refcount region ring role secret segment session signal slab slot socket stack stream
subject symbol syscall task thread ticket token trace user vector window zone""".split()
PREFIXES = (b"gr", b"pax", b"deb", b"hard", b"sec")
ERRORS = (b"EPERM", b"EACCES", b"EINVAL", b"ENOMEM", b"EFAULT", b"ERANGE")
#: Lines that many places get alike, as a patch that hardens every caller has them.
TWINS = (
    (b"pax_open_kernel();",),
    (b"gr_mark_audit_point();",),
    (b"if (sec_denied())", b"\treturn -1;"),
    (b"deb_trace_enter();", b"deb_stats.calls++;"),
    (b"pax_close_kernel();",),
    (b"hard_barrier();",),
    (b"/* downstream: checked */",),
    (b"if (!deb_policy_loaded)", b"\tdeb_load_policy();"),
)
IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")
CALL = re.compile(rb"\b([a-z_]\w{2,})\(")
NO_CALLS = {b"if", b"while", b"for", b"switch", b"return", b"sizeof", b"defined"}
KEYWORDS = NO_CALLS | set(b"else do break case default goto const static void int char long unsigned struct".split())


class Words:
    """Names that occur once in a planting."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.used: set[bytes] = set()

    def name(self) -> bytes:
        """A function's name not given before."""
        while True:
            verb, noun, other = self.rng.choice(VERBS), self.rng.choice(NOUNS), self.rng.choice(NOUNS)
            found = self.rng.choice(PREFIXES) + b"_" + verb + b"_" + noun
            if found in self.used:
                found += b"_" + other
            if found not in self.used:
                self.used.add(found)
                return found


def indent_of(line: bytes) -> bytes:
    """The white space that a line starts with."""
    return line[: len(line) - len(line.lstrip())]


def argument(line: bytes) -> bytes:
    """An identifier of a line that a planted check can look at."""
    names = [name for name in IDENTIFIER.findall(line) if name not in KEYWORDS and len(name) > 1]
    return names[0] if names else b"NULL"


def renamed(line: bytes, was: bytes, now: bytes) -> bytes:
    """A line with an identifier renamed."""
    return re.sub(rb"\b%s\b" % re.escape(was), lambda _: now, line)


def one_word(was: bytes, now: bytes) -> tuple[bytes, bytes] | None:
    """The identifier that became another one, where two lines differ in nothing else."""
    one, other = IDENTIFIER.findall(was), IDENTIFIER.findall(now)
    if len(one) != len(other):
        return None
    changes = {(a, b) for a, b in zip(one, other, strict=True) if a != b}
    if len(changes) != 1:
        return None
    [(old, new)] = changes
    return (old, new) if min(len(old), len(new)) > 2 and renamed(was, old, new) == now else None


def inserted(rng: random.Random, words: Words, line: bytes, value: bytes | None = None) -> tuple[bytes, ...]:
    """Lines to stand before a statement: a guard, a call, a block."""
    pad, name, noun = indent_of(line), words.name(), rng.choice(NOUNS)
    value = argument(line) if value is None else value
    error, number = rng.choice(ERRORS), b"%d" % rng.randrange(3, 900)
    forms: tuple[tuple[bytes, ...], ...] = (
        (b"if (!%s(%s))" % (name, value), b"\treturn -%s;" % error),
        (b"%s(%s, %s);" % (name, value, number),),
        (
            b"if (%s(%s) < %s) {" % (name, value, number),
            b'\tlog_%s("%s refused", %s);' % (noun, name.replace(b"_", b" "), value),
            b"\treturn -%s;" % error,
            b"}",
        ),
        (
            b"#ifdef CONFIG_%s" % name.upper(),
            b"%s(%s);" % (name, value),
            b"%s_%s = %s;" % (noun, name, number),
            b"#endif",
        ),
        (b"%s_%s = %s(%s);" % (noun, name, name, value), b"if (%s_%s > %s)" % (noun, name, number), b"\tgoto denied;"),
    )
    return tuple(text if text.startswith(b"#") else pad + text for text in rng.choice(forms))


def function(rng: random.Random, words: Words) -> tuple[bytes, ...]:
    """A whole new function and the empty line behind it."""
    name, noun, value = words.name(), rng.choice(NOUNS), rng.choice(NOUNS)
    body = [
        b"\t%s_%s = %s(%s, %d);" % (rng.choice(VERBS), rng.choice(NOUNS), words.name(), value, rng.randrange(900))
        for _ in range(rng.randrange(2, 7))
    ]
    head = [b"static int %s(struct %s *%s)" % (name, noun, value), b"{", b"\tint %s_%s;" % (noun, name), b""]
    tail = [b"\tif (%s_%s < 0)" % (noun, name), b"\t\treturn -%s;" % rng.choice(ERRORS), b"\treturn 0;", b"}", b""]
    return (*head, *body, *tail)


def calls(line: bytes) -> list[bytes]:
    """The functions that a line calls."""
    return [name for name in CALL.findall(line) if name not in NO_CALLS]


def replaced(rng: random.Random, words: Words, line: bytes) -> tuple[bytes, ...] | None:
    """A line wrapped or with another type; None for one that offers nothing."""
    found = calls(line)
    forms = []
    if found:
        call = found[0] + b"("
        forms.append(line.replace(call, words.name() + b"(" + call, 1).replace(b");", b"));", 1))
        forms.append(line.replace(call, words.name() + b"_" + call, 1))
    for word, other in ((b"\tint ", b"\tsize_t "), (b"  int ", b"  size_t "), (b"char *", b"const unsigned char *")):
        if word in line:
            forms.append(line.replace(word, other, 1))
    if line.lstrip().startswith(b"if ("):
        forms.append(line.replace(b"if (", b"if (%s() || " % words.name(), 1))
    forms = [form for form in forms if form != line]
    return (rng.choice(forms),) if forms else None


def varied(rng: random.Random, words: Words, added: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """What the author makes of his lines for the next release: still the same change, plainly."""
    out = list(added)
    ways = [at for at, line in enumerate(out) if b"-E" in line]
    kind = rng.randrange(4)
    if kind == 0 and ways:
        line = out[ways[0]]
        error = next(word for word in ERRORS if b"-" + word in line)
        out[ways[0]] = line.replace(error, rng.choice([other for other in ERRORS if other != error]), 1)
    elif kind == 1 and len(out) > 1:
        at = rng.randrange(1, len(out))
        out.insert(at, indent_of(out[at]) + b"%s();" % words.name())
    else:
        at = next((at for at, line in enumerate(out) if b"(" in line), 0)
        if b"(" in out[at]:
            out[at] = out[at].replace(b"(", b"_%s(" % rng.choice(NOUNS), 1)
        else:
            out[at] = out[at] + b" /* %s */" % words.name()
    return tuple(out)


def respaced(rng: random.Random, added: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The same lines with other white space inside and before them."""
    out = tuple(
        line if line.startswith(b"#") else line.replace(b"\t", b"    ").replace(b"(", b"( ").replace(b")", b" )")
        for line in added
    )
    if out == added or rng.random() < 0.3:
        out = tuple(line if line.startswith(b"#") else b"\t" + line for line in added)
    return out


def commented(rng: random.Random, words: Words, added: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The same lines with a comment behind one of them, or on a line of its own."""
    noun = rng.choice(NOUNS)
    at = rng.choice([at for at, line in enumerate(added) if not line.startswith(b"#")])
    out = list(added)
    if rng.random() < 0.5:
        out[at] += b" /* the %s may be %s */" % (noun, rng.choice(NOUNS))
    else:
        out.insert(at, indent_of(out[at]) + b"/* %s: the %s is not ours */" % (words.name(), noun))
    return tuple(out)


def rewritten(rng: random.Random, added: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    """A guard of two lines as a block that also logs; None for anything else."""
    if len(added) != 2 or not added[0].lstrip().startswith(b"if (!"):
        return None
    pad = indent_of(added[0])
    condition = added[0].replace(b"(!", b"(", 1)
    return (condition[:-1] + b" < 0) {", pad + b"\tlog_%s();" % rng.choice(NOUNS), added[1], pad + b"}")


def indented(lines: Sequence[bytes]) -> tuple[bytes, ...]:
    """Lines one step further to the right."""
    return tuple(line if line.startswith(b"#") or not line else line[:1] + line for line in lines)
