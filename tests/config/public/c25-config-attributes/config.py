from types import SimpleNamespace


def get_config():
    config = SimpleNamespace()
    config.tra = SimpleNamespace()
    config.tra.batch_size = 16
    config.tra.epochs = 35
    config.tra.spill_reduction = True
    config.tra.spill_entropy = False
    config.tra.supcon = True
    config.tra.supcon_lambda = 0.1
    config.tra.supcon_temp = 0.07
    config.tra.supcon_proj_dim = 128
    config.tra.supcon_hidden_dim = 256
    config.tra.supcon_lambda_start = 0.05
    config.tra.supcon_lambda_end = 0.5
    config.tra.dann = False
    return config
