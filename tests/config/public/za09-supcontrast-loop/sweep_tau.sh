#!/bin/bash
#SBATCH --gres=gpu:2
#SBATCH --time=24:00:00
source ~/envs/con/bin/activate
for tau in 0.05 0.1 0.2; do
  python main_supcon.py --batch_size 1024 \
    --learning_rate 0.5 \
    --temp $tau \
    --cosine --dataset cifar100 \
    --epochs 500 --trial $tau
done
