#!/bin/bash
for s in 1 2 3; do
  sbatch --gres=gpu:1 --time=10:00:00 --wrap="python train.py --loss supcon --temp 0.1 --batch_size 256 --feat_dim 128 --n_cls 50 --epochs 90 --seed $s"
done
