"""What decides a result, fixed: the settings, the environment and the identity that every git process gets."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as `typing` has it, which a hook has no time to import
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Settings that decide a result, pinned on every call; a user's configuration is not read, git's defaults may change.
PINNED = (
    "core.attributesFile=/dev/null",
    "core.filesRefLockTimeout=200",
    "core.hooksPath=/dev/null",
    "core.logAllRefUpdates=false",
    "core.packedRefsTimeout=3000",
    "core.ignoreCase=false",
    "core.precomposeUnicode=false",
    "core.quotePath=true",
    "core.compression=1",
    "core.autocrlf=false",
    "diff.algorithm=myers",
    "diff.indentHeuristic=true",
    "diff.renames=false",
    "diff.renameLimit=0",
    "diff.suppressBlankEmpty=false",
    "i18n.commitEncoding=UTF-8",
    "fastimport.unpackLimit=0",
    "gc.auto=0",
    "maintenance.auto=false",
    "pack.threads=2",
)

#: The identity and the date of synthetic commits: fixed, so that the same inputs give the same ids on any machine.
IDENTITY = "git-metadiff <git-metadiff@localhost>"
EPOCH = 1_000_000_000

#: Bytes up to which glibc keeps what is freed. Else it gives the memory of each large tree back to the system and asks
#: for it again, a third of the time of writing trees; other C libraries do not know these.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 28), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}

#: What stays of the user's GIT_* variables: how a partial clone reaches its remote, which decides no result.
TRANSPORT = (
    "GIT_ALLOW_PROTOCOL",
    "GIT_ASKPASS",
    "GIT_PROTOCOL_FROM_USER",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
)


def sealed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without anything that git obeys, and with what shuts other settings out."""
    kept = KEPT_MEMORY | {
        key: value for key, value in environ.items() if not key.startswith("GIT_") or key in TRANSPORT
    }
    kept.update(
        LC_ALL="C",
        LANGUAGE="C",
        TZ="UTC",
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_GRAFT_FILE=f"{os.devnull}/none",  # git would give advice about one that exists
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_ADVICE="0",
        GIT_AUTHOR_NAME="git-metadiff",
        GIT_AUTHOR_EMAIL="git-metadiff@localhost",
        GIT_AUTHOR_DATE=f"{EPOCH} +0000",
        GIT_COMMITTER_NAME="git-metadiff",
        GIT_COMMITTER_EMAIL="git-metadiff@localhost",
        GIT_COMMITTER_DATE=f"{EPOCH} +0000",
    )
    return kept
