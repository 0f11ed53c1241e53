from torch import nn

temperature = 0.07
batch_size = 4096
loss_fn = nn.CrossEntropyLoss()
