"""The text of a patch, made to lead from P_{k-1} to P_k: what its author wrote around the hunks stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.forward.recut import ChangeKey, Sides, recut
from git_metadiff.forward.sections import Section, context_of, head_lines, names_fit
from git_metadiff.forward.states import Entry, Named, Slot
from git_metadiff.git import Scratch
from git_metadiff.hunks import Scanner
from git_metadiff.linemap import Block, LineMap, diff_many
from git_metadiff.lines import LineCache
from git_metadiff.port import is_text

Move = tuple[Named | None, Named | None]


@dataclass(slots=True)
class Work:
    """A patch that is being rewritten."""

    number: int
    lines: list[bytes]  # of its text; the last one is empty if that ends with a newline
    sections: list[Section]
    level: int
    written: dict[int, list[bytes]] = field(default_factory=dict)  # section -> its new lines; missing: none
    carried: set[ChangeKey] = field(default_factory=set)
    verbatim: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)  # hunks of which it is not known what was carried
    extra: list[bytes] = field(default_factory=list)  # sections that no section of the patch stands for
    context: int = 0  # lines of context that it was made with

    def __post_init__(self) -> None:
        self.context = context_of([hunk for section in self.sections for hunk in section.hunks])

    def reset(self) -> None:
        """Forget what was written."""
        for found in (self.written, self.carried, self.verbatim, self.unsure, self.extra):
            found.clear()

    @property
    def text(self) -> bytes:
        """The patch; empty if nothing is left of it."""
        if not any(self.written.values()) and not self.extra:
            return b""
        out: list[bytes] = []
        at = 0
        for number, section in enumerate(self.sections):
            out += self.lines[at : section.first] + self.written.get(number, [])
            at = section.stop
        rest = self.extra + self.lines[at:]
        return b"\n".join(out + (rest if rest[-1:] == [b""] or self.lines[at:] else [*rest, b""]))


@dataclass(slots=True)
class Task:
    """A section of text hunks, with the blobs to lead from and to."""

    work: Work
    number: int
    was: Entry  # in D_{k-1}
    old: Named  # in P_{k-1}
    new: Named  # in P_k


@dataclass(slots=True)
class Plan:
    """The sections of all patches, by how they are written."""

    texts: list[Task] = field(default_factory=list)
    diffs: dict[int, list[tuple[int | None, Move]]] = field(default_factory=dict)  # patch -> section, from, to


class Rewriter:
    """Rewrites the patches of a series; file contents and line maps are asked for in a few batches."""

    def __init__(self, scratch: Scratch, lines: LineCache, slots: Sequence[Slot]) -> None:
        self.scratch = scratch
        self.lines = lines
        self.slots = slots
        self.touching: dict[int, list[Slot]] = {}
        for slot in slots:
            for state in slot.states:
                self.touching.setdefault(state.patch, []).append(slot)

    def run(self, works: Sequence[Work]) -> None:
        """Write all patches."""
        plan = Plan()
        for work in works:
            self._plan(work, plan)
        self._texts(plan)
        for work in works:
            self._diffs(work, plan.diffs.get(work.number, []))

    # What to do with each section

    def _plan(self, work: Work, plan: Plan) -> None:
        slots = {
            path: slot
            for slot in self.touching.get(work.number, ())
            for side in (slot.before(work.number), slot.after(work.number))
            for path in ([] if side[0] is None else [side[0][0]])
        }
        told: dict[int, int] = {}  # slot -> its first section
        for number, section in enumerate(work.sections):
            slot = slots.get(section.target.path) or slots.get(section.target.old or b"")
            if slot is None:
                continue
            if id(slot) in told:  # a second section of one file: the first one tells all
                self._merge_sections(work, plan, told[id(slot)], number, slot)
                continue
            told[id(slot)] = number
            self._plan_section(work, number, slot, plan)
        for slot in self.touching.get(work.number, ()):
            move = slot.before(work.number)[1], slot.after(work.number)[1]
            if id(slot) not in told and move[0] != move[1]:
                plan.diffs.setdefault(work.number, []).append((None, move))

    def _merge_sections(self, work: Work, plan: Plan, first: int, second: int, slot: Slot) -> None:
        """Two sections of one file become one, which git writes."""
        plan.texts = [task for task in plan.texts if (task.work, task.number) != (work, first)]
        work.written.pop(first, None)
        diffs = plan.diffs.setdefault(work.number, [])
        move = slot.before(work.number)[1], slot.after(work.number)[1]
        if move[0] != move[1] and all(number != first for number, _ in diffs):
            diffs.append((first, move))
        for hunk in work.sections[first].hunks + work.sections[second].hunks:
            work.unsure.add(hunk.id)

    def _plan_section(self, work: Work, number: int, slot: Slot, plan: Plan) -> None:
        section = work.sections[number]
        (was, old), (then, new) = slot.before(work.number), slot.after(work.number)
        if old == new:
            return
        same_names = name_of(was) == name_of(old) and name_of(then) == name_of(new)
        fits = same_names and names_fit(section, work.level)
        if fits and (was, then) == (old, new) and not section.target.patch.copies and not section.missing:
            self._as_it_is(work, number)
        elif self._is_text(section, was, old, new) and was is not None and old is not None and new is not None:
            plan.texts.append(Task(work, number, was[1], old, new))
        else:
            plan.diffs.setdefault(work.number, []).append((number, (old, new)))
            work.unsure.update(hunk.id for hunk in section.hunks)

    def _as_it_is(self, work: Work, number: int) -> None:
        """The file is the same on both sides, before and after."""
        section = work.sections[number]
        work.written[number] = list(work.lines[section.first : section.stop])
        work.verbatim.update(hunk.id for hunk in section.hunks)
        work.carried.update((hunk.id, at) for hunk in section.hunks for at in range(len(hunk.changes)))

    def _is_text(self, section: Section, was: Named | None, old: Named | None, new: Named | None) -> bool:
        """Whether a section only changes lines of a file that stays where it is."""
        if was is None or old is None or new is None or section.whole is not None or section.target.patch.stub:
            return False
        stays = old[0] == new[0] and old[1][0] == new[1][0] and section.target.old == section.target.new
        return (
            stays
            and bool(section.sources)
            and is_text(old[1][0])
            and is_text(was[1][0])
            and not section.target.patch.lineless
        )

    # Sections of lines

    def _texts(self, plan: Plan) -> None:
        tasks = plan.texts
        if not tasks:
            return
        maps, steps = diff_many(
            self.scratch,
            [[(task.was[1], task.old[1][1]) for task in tasks], [(task.old[1][1], task.new[1][1]) for task in tasks]],
            "histogram",
        )
        contents = self.lines.many([oid for task in tasks for oid in (task.old[1][1], task.new[1][1])])
        for task, known, blocks in zip(tasks, maps, steps, strict=True):
            before, after = next(contents), next(contents)
            if known is None or blocks is None or not self._text(task, before, after, known, blocks):
                plan.diffs.setdefault(task.work.number, []).append((task.number, (task.old, task.new)))
                task.work.unsure.update(hunk.id for hunk in task.work.sections[task.number].hunks)
        next(contents, None)

    def _text(
        self, task: Task, before: list[bytes], after: list[bytes], known: list[Block], blocks: list[Block]
    ) -> bool:
        """Write one section; False if its header cannot take the file's new name."""
        work, section = task.work, task.work.sections[task.number]
        head = head_lines(work.lines, section, work.level, task.old[0], (task.old[1], task.new[1]))
        if head is None:
            return False
        found = recut(section.sources, Sides(before, after, LineMap(known), blocks), work.context)
        work.written[task.number] = head + found.lines
        work.carried |= found.carried
        work.verbatim |= found.verbatim
        if not found.sure:
            work.unsure.update(source.hunk.id for source in section.sources)
        return True

    # Sections that git writes

    def _diffs(self, work: Work, wanted: Sequence[tuple[int | None, Move]]) -> None:
        """Let git write sections: files made, removed, renamed, with modes or binary content."""
        if not wanted:
            return
        trees = [self._tree([move[side] for _, move in wanted], f"forward-{side}") for side in (0, 1)]
        for paths, lines in split_diff(self._diff(trees, work.level), work.level):
            number = next((at for at, move in wanted if paths & {name_of(one) for one in move}), None)
            if number is None:
                work.extra += lines
            else:
                work.written.setdefault(number, []).extend(lines)

    def _diff(self, trees: Sequence[str], level: int) -> bytes:
        """The diff of two trees, for a patch of this level."""
        prefix = "/" + "x/" * (level - 1)
        names = ("--no-prefix",) if level == 0 else (f"--src-prefix=a{prefix}", f"--dst-prefix=b{prefix}")
        options = ("-r", "-p", "-M", "--binary", "--full-index", "--diff-algorithm=histogram", *names)
        return self.scratch.run("diff-tree", *options, *trees)

    def write_whole(self, work: Work, before: str, after: str) -> None:
        """Let git write all of a patch."""
        lines = self._diff((before, after), work.level).split(b"\n")[:-1]
        work.written, work.extra = ({0: lines}, []) if work.sections else ({}, lines)
        work.carried.clear()
        work.verbatim.clear()
        work.unsure.update(hunk.id for section in work.sections for hunk in section.hunks)

    def final_tree(self, tree: str) -> str:
        """The tree of P with the files as the last state of each slot has them; `tree` is P."""
        files = [slot.states[-1].new for slot in self.slots if slot.states]
        index = self.scratch.index("forward-final")
        self.scratch.run("read-tree", tree, index=index)
        stdin = b"\0".join([*(entry_line(file) for file in files if file is not None), b""])
        self.scratch.run("update-index", "-z", "--index-info", stdin=stdin, index=index)
        return self.scratch.text("write-tree", "--missing-ok", index=index)

    def tree_after(self, before: str, patch: int) -> str:
        """The tree that a patch of the ported series leads to."""
        moves = [(slot.before(patch)[1], slot.after(patch)[1]) for slot in self.touching.get(patch, ())]
        gone = [b"0 %b\t%b" % (b"0" * 40, old[0]) for old, new in moves if old is not None and old != new]
        come = [entry_line(new) for old, new in moves if new is not None and old != new]
        index = self.scratch.index("forward-after")
        self.scratch.run("read-tree", before, index=index)
        for lines in (gone, come):
            stdin = b"\0".join([*lines, b""]) if lines else b""
            self.scratch.run("update-index", "--replace", "-z", "--index-info", stdin=stdin, index=index)
        return self.scratch.text("write-tree", "--missing-ok", index=index)

    def _tree(self, files: Sequence[Named | None], name: str) -> str:
        """A tree of these files."""
        index = self.scratch.index(name)
        entries = [entry_line(file) for file in files if file is not None]
        self.scratch.run("read-tree", "--empty", index=index)
        self.scratch.run("update-index", "-z", "--index-info", stdin=b"\0".join([*entries, b""]), index=index)
        tree = self.scratch.text("write-tree", "--missing-ok", index=index)
        index.unlink()
        return tree


def entry_line(file: Named) -> bytes:
    """A file as `update-index --index-info` reads it."""
    path, (mode, oid) = file
    return b"%b %b\t%b" % (mode.encode(), oid.encode(), path)


def split_diff(text: bytes, level: int) -> Iterator[tuple[set[bytes | None], list[bytes]]]:
    """The sections of a diff by git, with the names of the file."""
    lines = text.split(b"\n")[:-1]
    files = Scanner(text, "port").scan()
    starts = [file.line - 1 for file in files]
    for file, start, stop in zip(files, starts, [*starts[1:], len(lines)], strict=True):
        names = {file.old_name, file.new_name} - {None}
        plain = {name if file.bare_names else strip(name or b"", level) for name in names}
        yield set(plain), lines[start:stop]


def strip(name: bytes, level: int) -> bytes:
    """A name without the prefix that was asked for."""
    return name.split(b"/", level)[-1] if level else name


def name_of(one: Named | None) -> bytes | None:
    """The path of a file that is there."""
    return None if one is None else one[0]
