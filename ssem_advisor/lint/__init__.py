"""Rules about training configs: what a config asks the loss to do, said with file, line, reason and remedy."""

from ssem_advisor.lint.checking import Policy, Report, Result, check_document
from ssem_advisor.lint.core import Finding, Rule, all_rules, rules_matching
from ssem_advisor.lint.session import Session

__all__ = [
    "Finding",
    "Policy",
    "Report",
    "Result",
    "Rule",
    "Session",
    "all_rules",
    "check_document",
    "rules_matching",
]
