#!/bin/bash
#SBATCH --job-name=contr
#SBATCH --gres=gpu:1

DATASET_PATH="/store/celeba"
EXPERIMENT_PATH="/store/results"
RUN_ID=0

srun --output=${EXPERIMENT_PATH}/%j.out --label singularity run --nv pytorch.sif \
    python -m  torch.distributed.launch --nproc_per_node=1 tmp/main_contr.py \
    --data=$DATASET_PATH \
    --data-name=CELEBA \
    --model-name=tresnet_s \
    --num-classes=40 \
    --method=MultiSupCon \
    --temp=0.1 \
    --feat-dim=128 \
    --c_treshold=0.2 \
    --cosine \
    --batch-size=128 \
    --epochs=90 \
    --dump_path=$EXPERIMENT_PATH
    --run=$RUN_ID
