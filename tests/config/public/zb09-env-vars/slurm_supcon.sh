#!/bin/bash
#SBATCH --array=0-3
TAUS=(0.05 0.1 0.2 0.5)
TAU=${TAUS[$SLURM_ARRAY_TASK_ID]}
BS=${BS:-256}
python -u train.py --method supcon --tau $TAU --bs $BS --proj_dim 128 \
  --dataset tiny-imagenet --n_classes 200 --epochs 300
