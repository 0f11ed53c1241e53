COMMON_HEAD = {
    "head_type": "cosine_prototype",
    "class_internal_loss": {
        "lambda": 0.0,
        "temperature": 0.2,
        "supcon_weight": 0.0,
        "focal_weight": 1.0,
        "focal_gamma": 2.0,
    },
    "early_stopping_patience": 5,
}
