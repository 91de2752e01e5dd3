"""Inputs to trust: digests and signatures as release sites publish them, and the diagnosis of a file that is wrong."""

from git_metadiff.verify.against import Against, hold_against
from git_metadiff.verify.check import Report, Subject, Vouchers, check_files, vouch
from git_metadiff.verify.diagnosis import Diagnosis, diagnose

__all__ = [
    "Against",
    "Diagnosis",
    "Report",
    "Subject",
    "Vouchers",
    "check_files",
    "diagnose",
    "hold_against",
    "vouch",
]
