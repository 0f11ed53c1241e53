import dataclasses
from pathlib import Path
from typing import Optional


@dataclasses.dataclass
class TrainingConfig:
    batch_size: Optional[int] = 10
    learning_rate: Optional[float] = 0.001


@dataclasses.dataclass
class LossConfig:
    config_file: Path
    temp: float
    type: Optional[str] = "SupConLoss"
    weight1: Optional[float] = 0.8
    weight2: Optional[float] = 0.2
