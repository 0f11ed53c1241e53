import dataclasses


@dataclasses.dataclass
class Config:
    text_dim: int = 768
    audio_dim: int = 1024
    hidden_dim: int = 384
    num_classes: int = 6
    emotion_config: str = "common_6"

    batch_size: int = 32
    lr: float = 1e-5
    epochs: int = 90
    patience: int = 15

    cls_weight: float = 1.0
    vad_weight: float = 0.3
    supcon_weight: float = 0.2

    supcon_temp: float = 0.07
    micl_dim: int = 128
    gamma: float = 2.0


EMOTION_LABELS = {"common_6": ["anger", "sadness", "happiness", "neutral", "fear", "disgust"]}
