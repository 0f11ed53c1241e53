#!/usr/bin/env bash
export CUDA_VISIBLE_DEVICES=0
python finetune.py \
  --task sst2 --model roberta-base \
  --loss ce_scl --lambda_value 0.9 --scl_temperature 0.3 \
  --per_device_train_batch_size 16 --num_train_epochs 26
