python -u train.py model=supcon data=cifar100 model.temperature=0.1 trainer.max_epochs=150 data.batch_size=512 seed=3
