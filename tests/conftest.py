"""One Hypothesis profile for all tests: the same examples at every run, no clock."""

from hypothesis import settings

settings.register_profile("project", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("project")
