"""Colours, from git's settings: `color.metadiff.<slot>`, for git's own slots below them `color.diff.<slot>`."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Slots and their colours when nothing is configured; those that git has too start from git's.
DEFAULTS = {
    "meta": "bold",
    "frag": "cyan",
    "func": "normal",
    "old": "red",
    "new": "green",
    "context": "normal",
    "upstream": "blue",
    "downstream": "magenta",
    "warn": "bold red",
    "ok": "green",
}
GIT_SLOTS = ("meta", "frag", "func", "old", "new", "context")

NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
ATTRIBUTES = {"bold": 1, "dim": 2, "italic": 3, "ul": 4, "blink": 5, "reverse": 7, "strike": 9}
TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0", "")


def boolean(value: str) -> bool | None:
    """A setting as git reads a boolean; None if it is none."""
    lower = value.lower()
    return True if lower in TRUE else False if lower in FALSE else None


def wants_color(when: str | None, environ: Mapping[str, str], settings: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to colour: `when` of `--color`, else NO_COLOR, else `color.metadiff`, else `color.ui`, else a terminal.

    `terminal` says whether a terminal, or a pager on one, reads the output; a dumb one gets no colour.
    """
    if when in ("always", "never"):
        return when == "always"
    if when is None and environ.get("NO_COLOR"):
        return False
    setting = settings.get("color.metadiff", settings.get("color.ui", "auto")).lower() if when is None else "auto"
    if setting in ("always", "never"):
        return setting == "always"
    return boolean(setting) is not False and terminal and environ.get("TERM", "dumb") != "dumb"


def palette(settings: Mapping[str, str], *, colored: bool) -> dict[str, bytes]:
    """The escape sequence of every slot, and `reset`; nothing at all without colour."""
    if not colored:
        return {}
    return {slot: escape(slot_setting(slot, settings)) for slot in DEFAULTS} | {"reset": b"\x1b[m"}


def slot_setting(slot: str, settings: Mapping[str, str]) -> str:
    """What the user, else git, says about a slot; a setting that is no colour does not count."""
    keys = [f"color.metadiff.{slot}"]
    if slot in GIT_SLOTS:
        keys.append(f"color.diff.{slot}")
    if slot == "context":
        keys.append("color.diff.plain")
    found = (settings[key] for key in keys if key in settings and codes(settings[key]) is not None)
    return next(found, DEFAULTS[slot])


def escape(setting: str) -> bytes:
    """The escape sequence of a colour as git's configuration spells it; empty for `normal`."""
    numbers = codes(setting)
    return f"\x1b[{';'.join(numbers)}m".encode() if numbers and any(numbers) else b"\x1b[m" if numbers else b""


def codes(setting: str) -> list[str] | None:
    """The codes of a colour such as `bold red`, `#ff8000 blue` or `nobold 208`; None if a word is unknown.

    The first colour is the foreground, the second the background; attributes stand anywhere.
    """
    numbers: list[str] = []
    colors: list[list[str]] = []
    for word in setting.lower().split():
        attribute = attribute_code(word)
        if attribute is not None:
            numbers.append(attribute)
            continue
        color = color_code(word, 40 if colors else 30)
        if color is None or len(colors) == 2:
            return None
        colors.append(color)
    return numbers + [code for color in colors for code in color]


def attribute_code(word: str) -> str | None:
    """The code of an attribute; `no…` and `no-…` switch it off, `reset` everything."""
    if word == "reset":
        return ""
    off = word.startswith("no") and word != "normal"
    number = ATTRIBUTES.get(word.removeprefix("no").removeprefix("-") if off else word)
    if number is None:
        return None
    return str({1: 22}.get(number, number + 20) if off else number)


def color_code(word: str, base: int) -> list[str] | None:
    """The codes of one colour, for the foreground (`base` 30) or background (40); empty for `normal`."""
    if word in ("normal", "-1"):
        return []
    if word == "default":
        return [str(base + 9)]
    name = word.removeprefix("bright")
    if name in NAMES:
        return [str(base + NAMES.index(name) + (60 if word != name else 0))]
    if re.fullmatch(r"\d{1,3}", word) and int(word) < 256:
        return numbered(int(word), base)
    if re.fullmatch(r"#[0-9a-f]{6}", word):
        parts = [str(int(word[place : place + 2], 16)) for place in (1, 3, 5)]
        return [str(base + 8), "2", *parts]
    return None


def numbered(number: int, base: int) -> list[str]:
    """The codes of a colour of the palette: 8 colours, their bright kin, and the rest of 256."""
    if number >= 16:
        return [str(base + 8), "5", str(number)]
    return [str(base + number + (52 if number >= 8 else 0))]
