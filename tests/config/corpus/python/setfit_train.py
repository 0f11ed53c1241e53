from setfit import SetFitModel, Trainer, TrainingArguments
from sentence_transformers.losses import BatchAllTripletLoss
from setfit.losses import SupConLoss

args = TrainingArguments(batch_size=32, num_epochs=4, loss=SupConLoss)
trainer = Trainer(model=model, args=args, train_dataset=sst2)
