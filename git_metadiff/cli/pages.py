"""Keeps the man page and the completions in step with the table of options: `python -m git_metadiff.cli.pages`.

The results are committed; a test fails when they are not current. The man page is written by hand but for its options,
which stand between two markers.
"""

from __future__ import annotations

from pathlib import Path

from git_metadiff.cli.options import COMMANDS, EACH, GROUPS, MAIN, MANY, OPTIONAL, OPTIONS, VALUE, Option, spelled

SHARE = Path(__file__).parent.parent / "data" / "share"
MAN = "man/man1/git-metadiff.1"
BASH = "bash-completion/completions/git-metadiff"
ZSH = "zsh/site-functions/_git-metadiff"
FISH = "fish/vendor_completions.d/git-metadiff.fish"
BEGIN = '.\\" options: made by git_metadiff.cli.pages\n'
END = '.\\" end of options\n'
#: Values that are completed to names of files.
FILES = ("file", "folder")
MADE = "# Made by git_metadiff.cli.pages from the table of options.\n"


def pages() -> dict[Path, str]:
    """What each file that depends on the table must hold."""
    return {SHARE / MAN: man_page((SHARE / MAN).read_text()), SHARE / ZSH: zsh(), SHARE / FISH: fish()}


def man_page(text: str) -> str:
    """The man page `text` with its options made anew."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + "".join(man_group(group) for group in GROUPS) + END + after


def man_group(group: str) -> str:
    """The options of one group, as roff."""
    items = [man_option(option) for option in OPTIONS if option.group == group]
    return f".SS {group}\n" + "".join(items)


def man_option(option: Option) -> str:
    """One option, as roff."""
    sentence = option.text[0].upper() + option.text[1:] + "."
    commands = [name or "the main job" for name in option.commands]
    only = f" With {listed(commands)}." if option.commands not in ((MAIN,), tuple(COMMANDS)) else ""
    words = " ".join(word for word in (sentence, option.manual) if word) + only
    return f".TP\n.B {roff(spelled(option))}\n{roff(words)}\n"


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def roff(text: str) -> str:
    """`text` with everything that roff would take for a request or another character escaped."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def zsh() -> str:
    """Completion for zsh, found by git's own `_git`."""
    lines = [f"    '{zsh_option(option)}' \\\n" for option in OPTIONS]
    names = " ".join(name for name in COMMANDS if name != MAIN)
    head = f"#compdef git-metadiff\n#description {COMMANDS[MAIN]}\n{MADE}\n_arguments -s \\\n"
    first = f'    \'1:command or release:_alternative "commands:command:({names})" "files:release:_files"\' \\\n'
    return head + "".join(lines) + first + "    '*:release:_files'\n"


def zsh_option(option: Option) -> str:
    """One option in the language of `_arguments`."""
    text = option.text.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    names = f"{{{option.short},{option.name}}}" if option.short else option.name
    names = f"({option.short} {option.name})'{names}'" if option.short else names
    choices = f"({' '.join(option.choices)})" if option.choices else ""
    argument = {
        VALUE: f":{option.value}:{'_files' if option.value in FILES else choices}",
        EACH: f":{option.value}:{'_files' if option.value in FILES else ''}",
        OPTIONAL: f"::{option.value}:(always never auto)",
        MANY: f":*-*:{option.value}:_files",
    }
    equals = "=-" if option.kind == OPTIONAL else ""
    return f"{'*' if option.kind in (MANY, EACH) else ''}{names}{equals}[{text}]{argument.get(option.kind, '')}"


def fish() -> str:
    """Completion for fish."""
    head = f"{MADE}set -l seen '__fish_git_using_command metadiff'\n"
    commands = [
        f"complete -f -c git -n $seen -a {name} -d {fish_quote(text)}\n"
        for name, text in COMMANDS.items()
        if name != MAIN
    ]
    return head + "".join(commands) + "".join(fish_option(option) for option in OPTIONS)


def fish_option(option: Option) -> str:
    """One option in the language of `complete`."""
    short = option.short.removeprefix("-") or ("h" if option.name == "-h" else "")
    names = (f" -s {short}" if short else "") + (f" -l {option.name[2:]}" if option.name.startswith("--") else "")
    value = {VALUE: " -x", EACH: " -x", MANY: " -r -F", OPTIONAL: " -a 'always never auto'"}.get(option.kind, "")
    value = " -r" if option.value in FILES else value
    value += f" -a '{' '.join(option.choices)}'" if option.choices else ""
    return f"complete -c git -n $seen{names}{value} -d {fish_quote(option.text)}\n"


def fish_quote(text: str) -> str:
    """`text` in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main() -> None:
    """Write every page anew."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
