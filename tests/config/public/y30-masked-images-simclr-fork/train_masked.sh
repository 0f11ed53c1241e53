#!/bin/bash
module load anaconda
source activate torch

python main_supcon.py \
--batch_size 160 \
--model resnet50 \
--learning_rate 0.1 \
--temp 0.1 \
--dataset path \
--data_folder ../masked_region \
--method SimCLR  \
--num_workers 10
