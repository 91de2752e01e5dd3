"""Kernel-like source text from a seeded random generator.

Text is held as latin-1 strings: one character is one byte, so a file that is not UTF-8 needs no second type here.
"""

from __future__ import annotations

from random import Random


def _words(text: str) -> tuple[str, ...]:
    """Split a list of words."""
    return tuple(text.split())


VERBS = _words(
    "get put set init probe remove attach detach enable disable start stop read write map unmap alloc free queue "
    "flush lock unlock reset resume suspend sync update commit submit poll wait wake register unregister bind unbind "
    "parse check setup handle send receive fill drain load store copy clear mark find insert delete split merge"
)
NOUNS = _words(
    "buffer page ring queue frame slot channel port link node entry table index mask state mode clock timer event irq "
    "status config param option attr group domain zone region range block sector segment extent inode dentry cache "
    "pool batch list tree key hash token cookie handle context session stream packet header trailer payload fragment "
    "window credit weight quota limit budget level depth width stride offset size length count bitmap vector matrix "
    "pixel plane layer surface sensor voltage current power fan thermal battery charger codec mixer control volume "
    "rate sample period burst fifo mailbox doorbell register bank bus bridge lane phy mac filter rule chain match "
    "target policy label cred user owner task thread process signal namespace mount super device driver class type "
    "version feature"
)
AREAS = _words(
    "acpi ata base block bluetooth bus char clk cpufreq crypto dma edac firewire gpio gpu hid hwmon i2c ide iio "
    "infiniband input iommu isdn leds md media memstick mfd misc mmc mtd net nfc ntb of parport pci phy pinctrl "
    "platform power pps ptp pwm regulator remoteproc rtc sbus scsi sfi sh spi ssb staging target thermal tty uio usb "
    "uwb vfio vhost video virtio vme watchdog xen zorro ext2 ext3 ext4 nfs btrfs ceph cifs gfs2 jfs ntfs ocfs2 proc "
    "sysfs ubifs udf xfs ipv4 ipv6 core sched wireless bridge sctp tipc sunrpc netfilter mac80211 dsa alpha arm avr32 "
    "mips ppc s390 sparc tile x86 kvm boot lib mach plat soc omap tegra exynos imx kernel mm"
)

_PROLOGUE = """/*
 * %(path)s - %(n)s %(m)s support
 *
 * Copyright (C) %(year)d %(author)s
 *
 * This program is free software; you can redistribute it and/or modify
 * it under the terms of the GNU General Public License version 2 as
 * published by the Free Software Foundation.
 */

"""
_BLOCKS_C = (
    """static int %(s)s_%(v)s_%(n)s(struct %(s)s_dev *dev, unsigned int %(m)s)
{
\tstruct %(s)s_%(n)s *entry = &dev->%(n)s[%(m)s & 0x%(k)x];
\tint ret;

\tif (%(m)s >= %(c)s_MAX_%(k)d)
\t\treturn -EINVAL;

\tmutex_lock(&dev->lock);
\tret = %(s)s_%(w)s_hw(dev, entry->%(o)s, %(m)s);
\tif (ret < 0) {
\t\tdev_err(dev->parent, "%(v)s of %(n)s %%u failed: %%d\\n", %(m)s, ret);
\t\tgoto out;
\t}
\tentry->%(o)s = %(m)s + %(k)d;
out:
\tmutex_unlock(&dev->lock);
\treturn ret;
}

""",
    """static void %(s)s_%(v)s_%(m)s(struct %(s)s_priv *priv)
{
\tunsigned long flags;
\tu32 %(n)s;

\tspin_lock_irqsave(&priv->%(o)s_lock, flags);
\t%(n)s = readl(priv->base + %(c)s_%(k)d);
\t%(n)s &= ~%(c)s_MASK;
\t%(n)s |= priv->%(m)s << %(j)d;
\twritel(%(n)s, priv->base + %(c)s_%(k)d);
\tpriv->%(o)s_count++;
\tspin_unlock_irqrestore(&priv->%(o)s_lock, flags);
}

""",
    """/*
 * %(v)s the %(n)s before the %(m)s is known; the %(o)s
 * may still be %(w)sing, so at most %(k)d of them.
 */
static struct %(s)s_%(m)s *%(s)s_%(w)s_%(o)s(struct list_head *head, u%(b)d %(n)s)
{
\tstruct %(s)s_%(m)s *%(o)s;

\tlist_for_each_entry(%(o)s, head, list) {
\t\tif (%(o)s->%(n)s == %(n)s)
\t\t\treturn %(o)s;
\t\tif (time_after(jiffies, %(o)s->stamp + %(k)d * HZ))
\t\t\t%(s)s_%(v)s(%(o)s);
\t}

\treturn NULL;
}
EXPORT_SYMBOL_GPL(%(s)s_%(w)s_%(o)s);

""",
    """static ssize_t %(s)s_show_%(n)s(struct device *d, struct device_attribute *attr, char *buf)
{
\tstruct %(s)s_dev *dev = dev_get_drvdata(d);

\treturn sprintf(buf, "%%u\\n", dev->%(n)s.%(m)s / %(k)d);
}

static ssize_t %(s)s_store_%(n)s(struct device *d, struct device_attribute *attr,
\t\t\t\t const char *buf, size_t count)
{
\tstruct %(s)s_dev *dev = dev_get_drvdata(d);
\tunsigned long val;

\tif (kstrtoul(buf, %(j)d, &val))
\t\treturn -EINVAL;
\tdev->%(n)s.%(m)s = val * %(k)d;
\treturn count;
}
static DEVICE_ATTR(%(n)s_%(o)s, S_IRUGO | S_IWUSR, %(s)s_show_%(n)s, %(s)s_store_%(n)s);

""",
    """static const struct %(s)s_%(n)s_ops %(s)s_%(m)s_%(n)s_ops = {
\t.owner\t\t= THIS_MODULE,
\t.%(v)s\t\t= %(s)s_%(v)s_%(n)s,
\t.%(w)s\t\t= %(s)s_%(w)s_%(o)s,
\t.%(m)s_max\t= %(k)d,
\t.flags\t\t= %(c)s_F_%(j)d,
};

""",
    """static int %(s)s_%(w)s_all(struct %(s)s_priv *priv, int %(n)s)
{
\tint i;

\tfor (i = 0; i < priv->nr_%(m)s; i++) {
\t\tswitch (priv->%(m)s[i].%(o)s) {
\t\tcase %(c)s_IDLE:
\t\t\tbreak;
\t\tcase %(c)s_BUSY:
\t\t\tpriv->%(m)s[i].%(n)s = %(n)s + %(k)d;
\t\t\t/* fall through */
\t\tdefault:
\t\t\tif (%(s)s_%(v)s_%(n)s(priv->dev, i + %(j)d))
\t\t\t\treturn -EIO;
\t\t}
\t}

\treturn 0;
}

""",
)
_BLOCKS_H = (
    """#define %(c)s_%(n)s_%(v)s_%(k)d\t\t0x%(k)04x
#define %(c)s_%(m)s_%(w)s\t\t(%(c)s_%(n)s_%(v)s_%(k)d | BIT(%(j)d))
#define %(c)s_%(o)s_SHIFT_%(k)d\t%(b)d
""",
    """
struct %(s)s_%(n)s_%(m)s {
\tstruct list_head\t\tlist;
\tspinlock_t\t\t%(o)s_lock;\t/* protects %(m)s */
\tu%(b)d\t\t\t%(m)s;
\tunsigned int\t\t%(n)s_%(w)s[%(k)d];
\tvoid\t\t\t(*%(v)s)(struct %(s)s_%(n)s *, int);
};
""",
    """
extern int %(s)s_%(v)s_%(n)s(struct %(s)s_%(n)s *%(m)s, unsigned int %(o)s);
extern void %(s)s_%(w)s_%(m)s(struct %(s)s_%(m)s *, u%(b)d %(o)s_%(k)d);
""",
)
_BLOCKS_S = (
    """ENTRY(%(s)s_%(v)s_%(n)s)
\tpush\t%%rbp
\tmov\t$%(k)d, %%eax
\tmov\t%(s)s_%(m)s(%%rip), %%rdx
\ttest\t$0x%(k)x, %%rdx
\tjz\t%(j)df
\tcall\t%(s)s_%(w)s_%(o)s
%(j)d:\tpop\t%%rbp
\tret
ENDPROC(%(s)s_%(v)s_%(n)s)

""",
)
_BLOCKS_TXT = (
    """%(k)d. How to %(v)s the %(n)s

The %(s)s driver will %(w)s each %(m)s as soon as the %(o)s
of the %(n)s reaches %(k)d. To %(v)s it by hand, write the
number of the %(m)s to the file %(n)s_%(o)s in sysfs.

""",
    """Required properties of the %(n)s:
- compatible: "%(s)s,%(n)s-%(k)d"
- reg: address and length of the %(m)s %(o)s
- %(m)s-%(o)s: at most %(k)d

""",
)
_BLOCKS_MAKE = ("obj-$(CONFIG_%(c)s_%(n)s)\t+= %(s)s_%(n)s_%(m)s.o\n", "%(s)s-objs\t+= %(v)s_%(n)s.o %(w)s_%(o)s.o\n")
_BLOCKS_KCONFIG = (
    """config %(c)s_%(n)s_%(m)s
\ttristate "%(s)s %(n)s %(m)s support"
\tdepends on %(c)s
\thelp
\t  Say Y here to %(v)s the %(n)s of a %(s)s %(o)s, up to %(k)d of them.

""",
)
_BLOCKS_SH = (
    "#!/bin/sh\n# %(v)s every %(n)s\n",
    '%(v)s_%(n)s() {\n\tlocal %(m)s=$1\n\t%(w)s_%(o)s "$%(m)s" %(k)d || exit 1\n}\n\n',
)
_BLOCKS = {
    "c": _BLOCKS_C,
    "h": _BLOCKS_H,
    "S": _BLOCKS_S,
    "txt": _BLOCKS_TXT,
    "sh": _BLOCKS_SH,
    "Makefile": _BLOCKS_MAKE,
    "Kconfig": _BLOCKS_KCONFIG,
}
_AUTHORS = ("A. Hacker", "J. Maintainer", "Example Semiconductor Inc.", "the %s developers")
# One is latin-1, the other UTF-8 (two bytes for its umlaut): both occur in real kernels of that age.
_FOREIGN_AUTHORS = ("J\xf6rg M\xfcller", "J\xc3\xb6rg M\xc3\xbcller")
_FOREIGN_SHARE = 1 / 150
_STATEMENTS = (
    "\t%(s)s_%(v)s_%(n)s(dev, %(m)s_%(k)d);\n",
    "\tif (unlikely(%(s)s_%(n)s->%(m)s > %(k)d))\n\t\tgoto err_%(w)s_%(o)s;\n",
    "\tdev->%(n)s.%(m)s = %(s)s_%(w)s_%(o)s(%(k)d);\n",
    '\tpr_debug("%(s)s: %(v)s %(n)s %%d of %(k)d\\n", %(m)s_%(o)s);\n',
    "\t/* the %(n)s must %(v)s the %(m)s, see %(s)s_%(w)s_%(o)s */\n",
    "\tBUG_ON(%(s)s_%(n)s_%(v)s(%(m)s) != %(k)d);\n",
    "\tatomic_inc_unchecked(&%(s)s_%(n)s[%(k)d].%(m)s_%(o)s);\n",
)


def extension(path: str) -> str:
    """Give the kind of text that a path holds: its extension, or its whole name as in `Makefile`."""
    return path.rpartition("/")[2].rpartition(".")[2]


def stem(path: str) -> str:
    """Give the prefix of a file's identifiers, made of its folder and its name."""
    folder, _, name = path.rpartition("/")
    return f"{folder.rpartition('/')[2]}_{name.partition('.')[0]}".lower()


def _slots(rng: Random, prefix: str) -> dict[str, str | int]:
    """Draw the words that fill one block."""
    pick = rng.choice
    return {
        "s": prefix,
        "c": prefix.upper(),
        "v": pick(VERBS),
        "w": pick(VERBS),
        "n": pick(NOUNS),
        "m": pick(NOUNS),
        "o": pick(NOUNS),
        "k": int(rng.random() * 1000) + 2,
        "j": int(rng.random() * 28) + 1,
        "b": 8 << int(rng.random() * 4),
    }


def file_text(rng: Random, path: str, lines: int) -> str:
    """Write a file of at least `lines` lines, at most some twenty more; every line ends in a newline."""
    prefix, kind = stem(path), extension(path)
    blocks = _BLOCKS[kind]
    parts: list[str] = []
    if kind in ("c", "h", "S"):
        authors = _FOREIGN_AUTHORS if rng.random() < _FOREIGN_SHARE else _AUTHORS
        author = rng.choice(authors).replace("%s", prefix)
        words = {"path": path, "author": author, "year": rng.randrange(1991, 2014)}
        parts.append(_PROLOGUE % (_slots(rng, prefix) | words))
    count = sum(part.count("\n") for part in parts)
    while count < lines:
        block = rng.choice(blocks) % _slots(rng, prefix)
        count += block.count("\n")
        parts.append(block)
    return "".join(parts)


def statements(rng: Random, prefix: str, lines: int) -> tuple[str, ...]:
    """Write exactly `lines` lines of code that hardly occur anywhere else."""
    made: list[str] = []
    while len(made) < lines:
        made += (rng.choice(_STATEMENTS) % _slots(rng, prefix)).splitlines(keepends=True)
    if lines and rng.random() < _FOREIGN_SHARE:
        made[0] = f"\t/* {rng.choice(_FOREIGN_AUTHORS)}: {rng.choice(NOUNS)} {rng.randrange(10**6)} */\n"
    return tuple(made[:lines])


def reworded(rng: Random, line: str, prefix: str) -> str:
    """Change a line as an author would: a call renamed, else another statement; never the same line."""
    if "(" not in line:
        return statements(rng, prefix, 1)[0]
    return line.replace("(", f"_{rng.choice(VERBS)}_{rng.choice(NOUNS)}{rng.randrange(100)}(", 1)
