export WANDB_MODE=offline
accelerate launch --num_processes 1 --mixed_precision bf16 src/train.py \
  --model_name_or_path bert-base-uncased \
  --loss_type supcon --supcon_temperature 0.05 \
  --per_device_train_batch_size 64 --num_train_epochs 4 \
  --projection_dim 256 --num_labels 77
