from typing import Any

DEFAULTS: dict[str, Any] = {
    "backbone": "openclip",
    "backbone_model": "ViT-B-16",
    "image_size": 224,
    "embedding_dim": 512,
    "loss": "supcon",  # supcon | arcface
    "arcface_labels": "family",
    "arcface_margin": 0.3,
    "arcface_weight": 1.0,
    "temperature": 0.07,
    "epochs": 10,
    "batch_size": 128,
    "lr": 1e-5,
    "hard_negative_mining": True,
}
