#!/bin/bash

#$ -pe smp 8
#$ -q gpu
#$ -l gpu_card=2
#$ -N supcon_heart_unet

source activate seg

batch=1
dataset=heart

CUDA_VISIBLE_DEVICES=0,2 python main_supcon.py  --batch_size ${batch} --dataset ${dataset} \
    --data_folder ./store \
    --learning_rate 0.02 \
    --epochs 12 \
    --save_freq 4 \
    --cosine
