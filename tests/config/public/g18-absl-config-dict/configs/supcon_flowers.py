import ml_collections


def get_config():
    config = ml_collections.ConfigDict()
    config.dataset = "oxford_flowers102"
    config.batch_size = 256
    config.num_epochs = 200
    config.loss = ml_collections.ConfigDict()
    config.loss.name = "supcon"
    config.loss.temperature = 0.1
    config.model = ml_collections.ConfigDict()
    config.model.proj_dim = 128
    return config
