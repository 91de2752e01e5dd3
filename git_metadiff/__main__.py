"""`python -m git_metadiff`."""

from __future__ import annotations

import sys

from git_metadiff.cli import main

sys.exit(main())
