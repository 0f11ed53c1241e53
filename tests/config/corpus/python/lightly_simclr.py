from lightly.loss import NTXentLoss

max_epochs = 100
batch_size = 256
criterion = NTXentLoss(temperature=0.5, memory_bank_size=0)
