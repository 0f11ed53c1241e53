"""Training configs as data: text in, runs with located values out. Nothing here executes what it reads."""

from ssem_advisor.config import own
from ssem_advisor.config.model import Document, Location, TrainingRun, Trap, Value
from ssem_advisor.config.own import OwnConfig, Section
from ssem_advisor.config.reader import Reading, names_another_loss, read, read_setting
from ssem_advisor.config.sources import collect

__all__ = [
    "Document",
    "Location",
    "OwnConfig",
    "Reading",
    "Section",
    "TrainingRun",
    "Trap",
    "Value",
    "collect",
    "names_another_loss",
    "own",
    "read",
    "read_setting",
]
