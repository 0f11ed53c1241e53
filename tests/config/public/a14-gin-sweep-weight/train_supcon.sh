#!/bin/bash
export CUDA_VISIBLE_DEVICES=1
GIN="configs/grl.gin"
DOMAINS=(2 4 8)
WEIGHTS=(0.01 0.1 0.5)
TEMPS=(0.07 0.1)
SEEDS=(11 12 13)

for D in "${DOMAINS[@]}"; do
  for W in "${WEIGHTS[@]}"; do
    for T in "${TEMPS[@]}"; do
      for S in "${SEEDS[@]}"; do
        python train_supcon.py \
          --gin_path "$GIN" \
          --save_path "out/${D}_${W}_${T}/s${S}" \
          --seed "$S" \
          --supcon_weight "$W" \
          --supcon_temp "$T" \
          --domain_nums "$D" \
          --use_wandb
      done
    done
  done
done
