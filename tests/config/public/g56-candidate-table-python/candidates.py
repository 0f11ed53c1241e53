CANDIDATES = {
    "student": {
        "width": 96,
        "lr": 5.0e-4,
        "class_weight": [1.00, 1.22, 2.00],
        "aux_weight": 0.75,
        "supcon_weight": 0.10,
        "rank_weight": 0.18,
    },
    "masked": {
        "mask_ratio": 0.35,
        "supcon_weight": 0.08,
    },
}
