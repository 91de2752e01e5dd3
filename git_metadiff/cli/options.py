"""The table of commands and options, from which parser, help, man page and completions are made."""

from __future__ import annotations

from typing import NamedTuple

MAIN = ""
SHOW = "show"
LINEAGE = "lineage"
GRAPH = "graph"
BISECT = "bisect"
VERIFY = "verify"
PORT = "port"
GUARD = "guard"
LIST = "list"
FORGET = "forget"

#: The main job has no name of its own.
COMMANDS = {
    MAIN: "compare two or more releases and their patchsets",
    SHOW: "explain one hunk: old patch, upstream, new patch, and why it is or is not ported",
    LINEAGE: "in which release each piece was introduced, edited, moved, absorbed or dropped",
    GRAPH: "the graph of hunks for other programs, and the evidence behind each edge",
    BISECT: "find what is guilty when the new release with its patchset fails and the old one did not",
    VERIFY: "hold files against published digests and signatures, and diagnose damaged ones",
    PORT: "carry a patchset onto a new release, patch by patch, as files to start a rebase from",
    GUARD: "is a piece of the patchset lost: in what is staged, in a rebase, in a merge request",
    LIST: "list the stored comparisons",
    FORGET: "remove a stored comparison",
}

#: Answered before anything else is looked at; the last one is git's question for its completion.
INFORMATION = ("-h", "--help", "--version", "--git-completion-helper")

USAGE = (
    "git metadiff [<options>] <release> <release>... --patches <patchset> <patchset>... [-- <path>...]",
    "git metadiff [<options>] <release> --patches <patchset> <patchset>... [-- <path>...]",
    "git metadiff [<options>] --append <release>... --patches <patchset>... [-- <path>...]",
    "git metadiff [<options>] --patches <patchset> <patchset>... [-- <path>...]",
    "git metadiff show [<options>] <hunk>",
    "git metadiff lineage [<options>] [<path> | <path>:<line>]... [-- <path>...]",
    "git metadiff graph [<options>] [-- <path>...]",
    "git metadiff bisect [list] [<options>] [-- <path>...]",
    "git metadiff verify [<options>] <file>...",
    "git metadiff port [<options>] [<old-release>] <new-release> [--patches <patchset>] -o <folder>",
    "git metadiff guard [<options>] [--base <rev> --head <rev> | --from <range> --to <range>]",
    "git metadiff guard --accept <hunk>|<patch> [<reason>]",
    "git metadiff guard --install | --uninstall",
    "git metadiff bisect try (--without | --only | --with) <hunk>... [<options>]",
    "git metadiff bisect corners [<options>]",
    "git metadiff bisect start [<options>] [-- <path>...]",
    "git metadiff bisect run [<options>] [--build <command>] (--test <command> | -- <command> [<argument>...])",
    "git metadiff bisect next [--json] [--parallel <n>]",
    "git metadiff bisect (good | bad | skip) [<commit>...]",
    "git metadiff bisect (status | log | reset) [<options>]",
    "git metadiff list",
    "git metadiff forget <name>",
)

FLAG = "flag"  # no value
VALUE = "value"  # a value is required
OPTIONAL = "optional"  # a value may follow an equals sign
EACH = "each"  # a value is required; the option may be given again, and then has several
MANY = "many"  # everything up to the next option


class Option(NamedTuple):
    """One option as a user sees it."""

    name: str  # the long name
    text: str  # what `-h` says, in one line
    short: str = ""
    kind: str = FLAG
    value: str = ""  # what the value is called
    commands: tuple[str, ...] = (MAIN,)
    group: str = "Output"
    manual: str = ""  # what the man page says on top of `text`
    choices: tuple[str, ...] = ()  # the only values; none: any
    subcommands: tuple[str, ...] = ()  # of bisect, if it is only for some of them; none: all


INPUT = "Input"
VIEWS = "Views"
FAMILIES = "Lineage and graph"
SUSPECTS = "Bisect"
TRUST = "Verify"
FORWARD = "Port"
OUTPUT = "Output"
GENERAL = "General"
GUARDING = "Guard"
GROUPS = (INPUT, VIEWS, FAMILIES, SUSPECTS, TRUST, FORWARD, GUARDING, OUTPUT, GENERAL)
EVERYWHERE = (MAIN, SHOW, LINEAGE, GRAPH, BISECT, VERIFY, PORT, GUARD, LIST, FORGET)
#: Commands that show something on the terminal.
SHOWN = (MAIN, SHOW, LINEAGE, GRAPH, BISECT, VERIFY, PORT)
#: Commands that read files which somebody else may vouch for.
TRUSTING = (MAIN, VERIFY, PORT)
#: Commands that take path limits.
LIMITED = (MAIN, LINEAGE, GRAPH, BISECT)

#: Subcommands of bisect, in the order in which they are used.
LIST_SUSPECTS = "list"
SUBCOMMANDS = (
    LIST_SUSPECTS, "try", "corners", "start", "run", "next", "good", "bad", "skip", "status", "log", "reset"
)  # fmt: skip
#: Those that begin a search, and those that need none.
BEGINNING = ("start", "run")
MAKING = ("try", "corners", *BEGINNING)
LISTING = (LIST_SUSPECTS, *MAKING)
AXES = ("upstream", "downstream", "patchset", "both")

#: What `--fate` takes: fates, origins, and the reason that views name like one.
VERDICTS = (
    "kept", "refreshed", "edited", "moved", "misplaced", "absorbed", "orphaned", "dropped", "ambiguous", "new"
)  # fmt: skip

#: Views in the order in which they are printed when several are asked for.
VIEW_ORDER = ("--summary", "--trace", "--collisions", "--series", "--stat", "--name-status", "--patch")

OPTIONS = (
    Option(
        "--patches",
        "the patchsets, one for each release, or several on one release",
        kind=MANY,
        value="patchset",
        commands=(MAIN, PORT),
        group=INPUT,
        manual="Takes every argument up to the next option; given again, it appends. See RELEASES BEHIND --PATCHES. "
        "One patchset fewer than releases asks for a forecast, see FORECAST.",
    ),
    Option(
        "--chain",
        "releases and patchsets from this file, a pair in a line; those given otherwise follow",
        kind=VALUE,
        value="file",
        group=INPUT,
        manual="A release and its patchset, oldest first, quoted as in a shell; # begins a comment. Names are as on "
        "the command line, relative paths from the current folder. Chains grow by a line.",
    ),
    Option(
        "--append",
        "continue the stored comparison by these releases, with a patchset for each",
        kind=MANY,
        value="release",
        group=INPUT,
        manual="Continues the comparison of that --name, else the last one made in this work tree; the result is that "
        "of one call with all releases, and what is stored is not computed anew. A forecast at its end gives way to "
        "the new releases. Takes every argument up to the next option; given again, it appends.",
    ),
    Option(
        "--strip",
        "the patch level: path components to take off names in patches",
        kind=VALUE,
        value="n",
        commands=(MAIN, PORT),
        group=INPUT,
        manual="What patch(1) calls -p. Without it: 1, or what a series file says, or the level that applies.",
    ),
    Option(
        "--partial",
        "leave out hunks that do not apply, and list them, instead of failing",
        commands=(MAIN, PORT),
        group=INPUT,
        manual="Hunks left out are not covered by the certificate.",
    ),
    Option(
        "--diff-only",
        "match patches by what they change alone, not by names and messages",
        group=INPUT,
        manual="Without it, file name, subject, author, message, Change-Id and index ids also tell which patch is "
        "which, and a header that names an upstream commit tells that upstream took the patch in. For measuring.",
    ),
    Option(
        "--jobs",
        "how many processes may work at the same time (default: one a processor, at most 4)",
        short="-j",
        kind=VALUE,
        value="n",
        group=INPUT,
        manual="The steps of a chain are shared out first, then the files of a step. Each process holds its part of "
        "the chain in memory. The result is the same, byte for byte, whatever the number.",
    ),
    Option(
        "--name",
        "the name of the comparison (default: default; later: the last one made here)",
        kind=VALUE,
        value="name",
        commands=(MAIN, SHOW, LINEAGE, GRAPH, BISECT, PORT, FORGET),
        group=INPUT,
        manual="The result is stored under refs/metadiff/<name>/. Other commands take the last comparison that was "
        "made in this work tree, or the one named here. port with an old release stores its forecast under this name "
        "(default: port); without one, it takes this comparison.",
    ),
    Option(
        "--patch",
        "the interdiff alone, as a patch that applies to the ported tree",
        short="-p",
        group=VIEWS,
        manual="Nothing is collapsed or folded in it. Not to be confused with --patches.",
    ),
    Option(
        "--stat",
        "the files of the interdiff with their added and removed lines",
        group=VIEWS,
        manual="Behind the graph stands how many hunks were dropped, misplaced, ambiguous, orphaned, edited, moved, "
        "absorbed or new. A file that lost a hunk is listed even if the interdiff has no line of it.",
    ),
    Option(
        "--summary",
        "how many hunks were kept, edited, moved, dropped ...; each dropped one is named",
        group=VIEWS,
        manual="The head of the default view, with its lists in full.",
    ),
    Option("--name-status", "the names of the interdiff's files and what became of each", group=VIEWS),
    Option(
        "--collisions",
        "hunks of the patch, changed or standing, where upstream moved under them",
        group=VIEWS,
        manual="A hunk that is carried unchanged is absent from the interdiff and still a suspect if upstream changed "
        "the function around it, or a function that it calls. First come new functions of upstream's that patched code "
        "now reaches, then standing hunks in functions that upstream changed. Where there are many, an index comes "
        "first, and the rest (changed hunks, file scope) is only in the index; path limits or --all show them.",
    ),
    Option(
        "--series",
        "patch by patch, for patch series: what became of each, and whether anything is lost",
        group=VIEWS,
        manual="Like the list of git-range-diff(1), with fates. A patch that was split has a line for each part; "
        "patches that were folded share a line. One that is gone was absorbed by upstream, orphaned or DROPPED. The "
        "last line counts the lines in which something is dropped, misplaced or applied twice.",
    ),
    Option(
        "--trace",
        "what upstream and downstream changed in the functions of this stack trace",
        kind=VALUE,
        value="file",
        commands=(MAIN, BISECT),
        group=VIEWS,
        manual="A dash reads standard input. bisect orders its suspects by it. See TRACES.",
    ),
    Option(
        "--json",
        "everything that was found, as JSON",
        commands=(MAIN, LINEAGE, BISECT, VERIFY, PORT, GUARD),
        group=VIEWS,
        manual="The document is described by the JSON Schema git_metadiff/data/schema.json, that of patches alone by "
        "alone.schema.json beside it. It is always whole: path "
        "limits do not narrow it. It cannot be combined with another view. lineage, "
        "bisect, verify and port print documents of their own, of what was asked for; those of verify and port are "
        "described by verify.schema.json and port.schema.json.",
    ),
    Option(
        "--fate",
        "families that had this verdict in one of the releases",
        kind=VALUE,
        value="verdict",
        commands=(LINEAGE,),
        group=FAMILIES,
        choices=VERDICTS,
    ),
    Option(
        "--function",
        "families with a change in this function, in whichever release",
        kind=VALUE,
        value="name",
        commands=(LINEAGE,),
        group=FAMILIES,
        manual="By its name as the views print it.",
    ),
    Option(
        "--in-patch",
        "families with a hunk in this patch of a series",
        kind=VALUE,
        value="name",
        commands=(LINEAGE,),
        group=FAMILIES,
        manual="By its name in the series, or a shell pattern.",
    ),
    Option(
        "--diff",
        "the text of the hunks wherever they were edited, moved, introduced or lost",
        commands=(LINEAGE,),
        group=FAMILIES,
        manual="Alone it chooses the families that have more to tell than kept and refreshed.",
    ),
    Option(
        "--upstream",
        "is it upstream yet: what this revision holds of each family, and since which commit",
        kind=VALUE,
        value="revision",
        commands=(LINEAGE,),
        group=FAMILIES,
        manual="Told from the texts: whether the revision has the added lines and no longer has the removed ones. What "
        "upstream took in another form is not seen. Alone it chooses the families of which something is held.",
    ),
    Option(
        "--format",
        "the graph for other programs: json (the default), dot or graphml",
        kind=VALUE,
        value="format",
        commands=(GRAPH,),
        group=FAMILIES,
        manual="Path limits leave the hunks of those files and what they correspond to.",
        choices=("json", "dot", "graphml"),
    ),
    Option(
        "--family",
        "the family of this hunk alone",
        kind=VALUE,
        value="hunk",
        commands=(LINEAGE, GRAPH),
        group=FAMILIES,
    ),
    Option(
        "--explain",
        "each edge of this hunk with its evidence, and its changes in the ported tree",
        kind=VALUE,
        value="hunk",
        commands=(GRAPH,),
        group=FAMILIES,
    ),
    Option(
        "--file",
        "suspect these files or folders alone",
        kind=MANY,
        value="path",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="The same as path limits behind a --. All that upstream did to them is suspect then, also where it does "
        "not meet the patch. What lies outside of them is one step of a search, the rest. Takes every argument up to "
        "the next option; given again, it appends.",
        subcommands=LISTING,
    ),
    Option(
        "--max-count",
        "show so many suspects (default: 20; with --json: all)",
        short="-n",
        kind=VALUE,
        value="n",
        commands=(BISECT,),
        group=SUSPECTS,
        subcommands=(LIST_SUSPECTS,),
    ),
    Option(
        "--axis",
        "what to search: upstream, downstream, patchset or both (default: both)",
        kind=VALUE,
        value="axis",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="upstream leads from D1 to F, downstream from F to D2, patchset from U2 to D2, and both from D1 over F "
        "to D2. F is the old patchset on the new release, with what upstream forced its author to change.",
        choices=AXES,
        subcommands=MAKING,
    ),
    Option(
        "--carry",
        "walk upstream's real commits, with the older patchset carried onto each",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="Instead of synthetic commits; the releases must be revisions of one history. A commit onto which a "
        "suspect cannot be carried is skipped.",
        subcommands=BEGINNING,
    ),
    Option(
        "--without",
        "the tree that fails, without these hunks or groups",
        kind=MANY,
        value="hunk",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="Each by its id or its number in bisect list. What needs them is left out too.",
        subcommands=("try",),
    ),
    Option(
        "--only",
        "the tree that works, with only these hunks or groups",
        kind=MANY,
        value="hunk",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="What they need comes along.",
        subcommands=("try",),
    ),
    Option(
        "--with",
        "beside --without: these hunks stay in nevertheless, with what they need",
        kind=MANY,
        value="hunk",
        commands=(BISECT,),
        group=SUSPECTS,
        subcommands=("try",),
    ),
    Option(
        "--built",
        "set aside what the build in this folder never compiled",
        kind=VALUE,
        value="folder",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="Read from the .cmd files of the kernel's build, or a compile_commands.json. How many are set aside is "
        "said. Kconfig and Makefiles stay in.",
        subcommands=LISTING,
    ),
    Option(
        "--worktree",
        "test in a work tree in this folder, not in the one here",
        kind=VALUE,
        value="folder",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="It is made if it is not there, and stays. Files that two points have in common are not touched, so "
        "that an incremental build stays incremental.",
        subcommands=BEGINNING,
    ),
    Option(
        "--no-checkout",
        "check nothing out: bisect next names the commits",
        commands=(BISECT,),
        group=SUSPECTS,
        subcommands=("start",),
    ),
    Option(
        "--build",
        "the line for the shell that builds a tree; a failed build is never bad",
        kind=VALUE,
        value="command",
        commands=(BISECT,),
        group=SUSPECTS,
        subcommands=("run",),
    ),
    Option(
        "--test",
        "the line for the shell that tests a tree",
        kind=VALUE,
        value="command",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="Its exit status counts as for git bisect run: 0 good, 125 cannot be tested, 1 to 127 bad, 128 and more "
        "ends the search. A command behind a -- is started without a shell.",
        subcommands=("run",),
    ),
    Option(
        "--expect",
        "only a test with this regular expression in its output is bad",
        kind=VALUE,
        value="pattern",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="Whatever its exit status; a test that fails without it tells nothing and is skipped.",
        subcommands=("run",),
    ),
    Option(
        "--confirm",
        "repeat each test until an answer came so often (default: 1)",
        kind=VALUE,
        value="n",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="For tests that are not steady. The failure that --expect names counts at once.",
        subcommands=("run",),
    ),
    Option(
        "--parallel",
        "so many tests at the same time (default: 1)",
        kind=VALUE,
        value="n",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="run needs --worktree for it, and makes further work trees beside it: <folder>-2 and so on.",
        subcommands=("run", "next"),
    ),
    Option(
        "--minimize",
        "then find the hunks of the guilty step that matter, and those that they fail with",
        commands=(BISECT,),
        group=SUSPECTS,
        manual="By delta debugging. What is found on one side, upstream's or downstream's, may fail only together with "
        "something of the other: then that partner is searched too. What could not be determined is said to be so.",
        subcommands=("run",),
    ),
    Option(
        "--aside",
        "list what --built set aside",
        commands=(BISECT,),
        group=SUSPECTS,
        subcommands=("status",),
    ),
    Option(
        "--sums",
        "a sums file of the release site, with the digests of the files",
        kind=EACH,
        value="file",
        commands=TRUSTING,
        group=TRUST,
        manual="As sha256sum, BSD's sha256 or openssl print it, or a control file of Debian; md5, sha1, sha224, "
        "sha256, sha384 and sha512 are told by their length or name. May be given again. Of a file that is signed "
        "inside, only what is signed counts, and with --keyring its signature is checked. See TRUST.",
    ),
    Option(
        "--sha256",
        "the SHA-256 that one of the files must have",
        kind=EACH,
        value="hex",
        commands=TRUSTING,
        group=TRUST,
        manual="May be given again, once for each file.",
    ),
    Option(
        "--signature",
        "an OpenPGP signature of a file, of its uncompressed content, or of the sums file",
        kind=EACH,
        value="file",
        commands=TRUSTING,
        group=TRUST,
        manual="Its name tells what it signs: x.tar.sign is of x.tar.xz uncompressed, as kernel.org signs. Checked by "
        "gpgv(1). May be given again.",
    ),
    Option(
        "--keyring",
        "the keys that may have signed; no others count",
        kind=EACH,
        value="file",
        commands=TRUSTING,
        group=TRUST,
        manual="As gpg exports it, binary or armored. May be given again.",
    ),
    Option(
        "--pages",
        "read each file several times, cached and from the disk, and tell which pages differ",
        commands=(VERIFY,),
        group=TRUST,
        manual="See TRUST for the verdicts. With --all every page is listed.",
    ),
    Option(
        "--watch",
        "with --pages: go on reading for so long",
        kind=VALUE,
        value="seconds",
        commands=(VERIFY,),
        group=TRUST,
    ),
    Option(
        "--every",
        "with --watch: a reading begins every so many seconds (default: 1)",
        kind=VALUE,
        value="seconds",
        commands=(VERIFY,),
        group=TRUST,
    ),
    Option(
        "--against",
        "hold the files, as bad copies, against good copies of the same",
        kind=MANY,
        value="file",
        commands=(VERIFY,),
        group=TRUST,
        manual="Shows the bytes that differ, and the offsets that all bad copies have in common. Takes every argument "
        "up to the next option; given again, it appends.",
    ),
    Option(
        "--output",
        "the folder to write the carried patches to; it must not exist, or be empty",
        short="-o",
        kind=VALUE,
        value="folder",
        commands=(PORT,),
        group=FORWARD,
        manual="See FORWARD PORT.",
    ),
    Option(
        "--base",
        "the target of a merge request; with --head",
        kind=VALUE,
        value="rev",
        commands=(GUARD,),
        group=GUARDING,
        manual="Every patch folder in both trees is compared, on the upstream tree around it; without one, the commits "
        "on top of what metadiff.guard.upstream names.",
    ),
    Option(
        "--head", "the proposed commit of a merge request", kind=VALUE, value="rev", commands=(GUARD,), group=GUARDING
    ),
    Option("--from", "the commits before a rebase, A..B", kind=VALUE, value="range", commands=(GUARD,), group=GUARDING),
    Option("--to", "the commits after it, C..D", kind=VALUE, value="range", commands=(GUARD,), group=GUARDING),
    Option("--markdown", "the report as a comment for a merge request", commands=(GUARD,), group=GUARDING),
    Option(
        "--accept",
        "a loss is meant: the coming commit gets a trailer that says so",
        kind=VALUE,
        value="name",
        commands=(GUARD,),
        group=GUARDING,
        manual="Names a hunk or a patch of the last report; what follows is the reason. A trailer Metadiff-Dropped "
        "written by hand into the message does the same; under the pre-commit framework only with "
        "metadiff-guard-commit-msg, which runs when the message is there, in place of metadiff-guard, which "
        "refuses before.",
    ),
    Option(
        "--install",
        "install the hooks; those that are there are kept and called first",
        commands=(GUARD,),
        group=GUARDING,
    ),
    Option("--uninstall", "remove the hooks again", commands=(GUARD,), group=GUARDING),
    Option(
        "--hook",
        "run as this hook, with its arguments",
        kind=VALUE,
        value="hook",
        commands=(GUARD,),
        group=GUARDING,
        choices=("pre-commit", "commit-msg", "prepare-commit-msg", "pre-applypatch", "post-applypatch", "post-rewrite"),
        manual="What the hooks call. Exits with 3 to refuse, which no other failure does.",
    ),
    Option("--verbose", "everything, with the old text of each hunk", short="-v", commands=(GUARD,), group=GUARDING),
    Option(
        "--unified",
        "lines of context (default: 3)",
        short="-U",
        kind=VALUE,
        value="n",
        commands=(MAIN, SHOW),
        group=OUTPUT,
    ),
    Option("--function-context", "show whole functions as context", short="-W", commands=(MAIN, SHOW), group=OUTPUT),
    Option("--all", "show in full what views collapse, fold or cut", commands=SHOWN, group=OUTPUT),
    Option(
        "--color",
        "when to use colour: always, never or auto",
        kind=OPTIONAL,
        value="when",
        commands=SHOWN,
        group=OUTPUT,
        manual="Without a value: always. It goes before NO_COLOR, which goes before git's configuration.",
    ),
    Option("--no-color", "the same as --color=never", commands=SHOWN, group=OUTPUT),
    Option(
        "--exit-code",
        "exit with 1 if the interdiff is not empty",
        group=OUTPUT,
        manual="As in git-diff(1), no pager is started, and path limits count. In a forecast: if a "
        "hunk conflicts, is orphaned or ambiguous. Of patches alone: if a hunk is neither kept "
        "nor refreshed.",
    ),
    Option("--quiet", "print nothing; implies --exit-code", commands=(MAIN, VERIFY, PORT), group=OUTPUT),
    Option("-h", "this short help", commands=EVERYWHERE, group=GENERAL),
    Option("--help", "the manual", commands=EVERYWHERE, group=GENERAL),
    Option("--version", "the version", commands=EVERYWHERE, group=GENERAL),
)


def find(name: str) -> Option | None:
    """The option of that long or short name; abbreviations are not accepted."""
    return BY_NAME.get(name)


BY_NAME = {name: option for option in OPTIONS for name in (option.name, option.short) if name}


def spelled(option: Option) -> str:
    """The option with its short name and value, as help and man page print it."""
    short = f"{option.short}, " if option.short else ""
    if option.short == "-U":
        short = f"-U<{option.value}>, "
    if option.kind in (VALUE, EACH):
        return f"{short}{option.name}=<{option.value}>" if option.short else f"{option.name} <{option.value}>"
    if option.kind == OPTIONAL:
        return f"{short}{option.name}[=<{option.value}>]"
    if option.kind == MANY:
        return f"{short}{option.name} <{option.value}>..."
    return short + option.name
