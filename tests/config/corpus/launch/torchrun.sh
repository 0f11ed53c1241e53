torchrun --standalone --nproc_per_node=8 -m birds.train \
  --method supcon --temperature 0.1 --num-classes 555 \
  --per_device_batch_size 64 --projection_dim 128 --max_epochs 90 --bf16
