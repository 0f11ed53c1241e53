from dataclasses import dataclass


@dataclass
class TrainConfig:
    loss: str = "supcon"
    temperature: float = 0.1
    batch_size: int = 512
    proj_dim: int = 128
    num_classes: int = 196
    device: str = "cuda"
