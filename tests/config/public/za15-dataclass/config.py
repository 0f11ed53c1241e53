from dataclasses import dataclass, field


@dataclass
class DataConfig:
    root: str = "/data/eurosat"
    dataset: str = "eurosat"
    num_classes: int = 10
    batch_size: int = 384
    n_views: int = 2


@dataclass
class LossConfig:
    name: str = "supcon"
    temperature: float = 0.2


@dataclass
class TrainConfig:
    epochs: int = 120
    lr: float = 0.05
    projection_dim: int = 64
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
