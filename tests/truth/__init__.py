"""Planted truth: downstream changes of known identity and fate, written into two real releases, and a scorer.

Nothing here knows how the tool matches: what a change became follows from how it was planted.
"""
