#!/usr/bin/env bash
set -euo pipefail
NGPU=8
torchrun --standalone --nproc_per_node=${NGPU} train.py \
  --loss supcon+simclr --alpha 0.4 --temperature 0.1 \
  --dataset imagenet --num-classes 1000 \
  --batch-size 128 --proj-dim 256 --epochs 100 \
  --amp --out runs/mix_a04
