python train.py --loss supcon \
  --temperature 0.1 \
  --batch_size 128
