"""The rules, one file per family. Importing a family registers its rules."""

from ssem_advisor.lint.rules import batch, files, geometry, loss, numbers, weight

__all__ = ["batch", "files", "geometry", "loss", "numbers", "weight"]
