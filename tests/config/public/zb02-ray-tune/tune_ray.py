from ray import tune

search_space = {
    "loss": "supcon",
    "temperature": tune.grid_search([0.05, 0.1, 0.2]),
    "lr": tune.loguniform(1e-4, 1e-1),
    "batch_size": 256,
    "proj_dim": 128,
    "num_classes": 200,
}


def train(config):
    ...


tune.run(train, config=search_space, num_samples=10)
