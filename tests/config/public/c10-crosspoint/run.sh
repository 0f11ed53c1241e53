#!/bin/bash

cd /home/me/CrossPoint

# 2dtm_4 : val_included 1
python train_crosspoint.py --model dgcnn --dataset points_4 --val_included 1 --epochs 180 --lr 0.001 --exp_name points_4_supcon_Noise0.01 --batch_size 128 --print_freq 20 --k 15 --save_freq 10 --noise3d 0.01 --loss SupCon
