"""The one exception of the project; `git_metadiff.cli` holds its only handler."""

from __future__ import annotations

EXIT_OK = 0
EXIT_DIFFERENT = 1
EXIT_REFUSED = 3  # of a hook: no other failure of hook or program has it
EXIT_FATAL = 128
EXIT_USAGE = 129
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
EXIT_TERMINATED = 143


class MetadiffError(Exception):
    """Bad input or a failed proof: printed as one `fatal:` line and one `hint:` line.

    `message` says what is wrong, naming the thing; `hint` says what to do next. Neither ends in a newline.
    """

    def __init__(self, message: str, hint: str, status: int = EXIT_FATAL) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def __reduce__(self) -> tuple[type[MetadiffError], tuple[str, str, int]]:
        """How it passes from one process to another."""
        return MetadiffError, (self.message, self.hint, self.status)


class UsageError(MetadiffError):
    """A command line that cannot be understood (exit 129)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint, EXIT_USAGE)
