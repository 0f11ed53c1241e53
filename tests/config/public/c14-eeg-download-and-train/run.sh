#!/usr/bin/env bash
set -euo pipefail

# needs no credentials
aws s3 cp --recursive s3://datasets/mini_L100 ./local --no-sign-request
python -m pip install -q mne

# train
python scripts/train_contrastive_eeg.py \
  --local_dir ./local \
  --C 16 --L 256 --stride 128 \
  --batch_size 64 --epochs 6 \
  --r 16 --proj_dim 64 \
  --loss supcon --no_aug
