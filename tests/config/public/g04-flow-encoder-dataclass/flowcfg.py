from dataclasses import dataclass, field


@dataclass
class EncoderConfig:
    input_dim: int = 13
    d_model: int = 64
    embedding_dim: int = 128


@dataclass
class TrainingConfig:
    lr: float = 1e-3
    batch_size: int = 64
    epochs: int = 100
    supcon_temperature: float = 0.07
    lr_scheduler: str = "cosine"


@dataclass
class FlowConfig:
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
