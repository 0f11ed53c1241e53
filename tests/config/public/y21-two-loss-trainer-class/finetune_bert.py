from transformers import TrainingArguments

from my_losses import SupConLoss, CombinedLoss

LEARNING_RATE = 2e-5
BATCH_SIZE = 64
EPOCHS = 5


def run():
    loss_fn = CombinedLoss(temperature=0.1, supcon_weight=1.0, ce_weight=0.5)
    args = TrainingArguments(output_dir="out", per_device_train_batch_size=BATCH_SIZE, num_train_epochs=EPOCHS)
    return loss_fn, args
