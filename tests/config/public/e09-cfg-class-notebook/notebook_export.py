class CFG:
    seed = 42
    backbone = 'tf_efficientnet_b0'
    loss_type = 'supcon'
    temperature = 0.07
    proj_dim = 128
    num_classes = 264
    batch_size = 48
    epochs = 12
    lr = 1e-3
