#!/bin/bash
RED='\033[0;31m'
DEFAULT_GPU="0"
GPU=${1:-$DEFAULT_GPU}
COMMON="--database_path /data/audio --batch_size 24 --num_epochs 30"
echo -e "${RED}training${NC}"
CUDA_VISIBLE_DEVICES=$GPU python main_balance.py $COMMON \
    --use_scl --scl_weight 0.2 --scl_temperature 0.07 --lr 0.000001
