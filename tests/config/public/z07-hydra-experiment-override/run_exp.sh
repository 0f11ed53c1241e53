python src/train.py experiment=supcon_inhouse trainer.max_epochs=100 trainer.devices=1
