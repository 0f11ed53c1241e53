"""From a setting to an answer: safe ranges, a setting to start from, what to train, and what stands behind each."""

from ssem_advisor.advice.advise import (
    LEAST_SHARE_BESIDE,
    SAFE_SPREAD,
    WANTED,
    aims,
    complete,
    judge,
    outlook_of,
    recommend,
)
from ssem_advisor.advice.answer import (
    Advice,
    Alternative,
    Basis,
    Code,
    NetworkOrigin,
    Note,
    Point,
    Purpose,
    Range,
    State,
    Trial,
)
from ssem_advisor.advice.command import command_for
from ssem_advisor.advice.outlook import LARGEST_WEIGHT, Outlook

__all__ = [
    "LARGEST_WEIGHT",
    "LEAST_SHARE_BESIDE",
    "SAFE_SPREAD",
    "WANTED",
    "Advice",
    "Alternative",
    "Basis",
    "Code",
    "NetworkOrigin",
    "Note",
    "Outlook",
    "Point",
    "Purpose",
    "Range",
    "State",
    "Trial",
    "aims",
    "command_for",
    "complete",
    "judge",
    "outlook_of",
    "recommend",
]
