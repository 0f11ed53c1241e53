from dataclasses import dataclass
from typing import Optional


@dataclass
class Config:
    vit_name: str = "vit_base_patch16_224"
    vit_embed_dim: int = 768
    image_size: int = 224
    k_draws: int = 6

    # ArcFace
    arcface_scale: float = 16.0
    arcface_margin: float = 0.3
    num_classes: int = 2

    # SupCon
    supcon_temperature: float = 0.1

    # loss weights
    lambda_bce: float = 1.0
    lambda_arcface: float = 0.5
    lambda_supcon: float = 0.3

    lr: float = 2e-4
    batch_size: int = 8  # per GPU under DDP
    epochs: int = 25
    use_amp: bool = True
    amp_dtype: str = "bf16"
    resume_from: Optional[str] = None
