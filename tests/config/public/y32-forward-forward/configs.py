CONFIGS = {
    "batch_size": 512,
    "learning_rate": 0.003,
    "num_epochs": 20,
    "temperature": 0.5,
    "num_hidden_layers": 4,
    "in_features": 1024,
    "out_features": 2000,
    "projection_dims": 128,
}
