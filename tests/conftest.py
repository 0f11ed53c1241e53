"""One Hypothesis profile for all tests: the same examples at every run, no clock."""

import os

os.environ.setdefault("SSEM_ADVISOR_DEBUG", "1")  # our own faults show themselves, in child processes too

from hypothesis import settings

settings.register_profile("project", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("project")
