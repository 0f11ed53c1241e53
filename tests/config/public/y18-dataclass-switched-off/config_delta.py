from dataclasses import dataclass


@dataclass
class SupConConfig:
    """Supervised contrastive auxiliary loss settings."""

    enabled: bool = False
    temperature: float = 0.07
    lambda_weight: float = 0.1
    use_supcon: bool = False
    supcon_temperature: float = 0.07


@dataclass
class OptimConfig:
    learning_rate: float = 1e-4
    batch_size: int = 16
    epochs: int = 3
