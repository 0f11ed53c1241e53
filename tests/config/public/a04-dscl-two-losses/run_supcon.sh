#!/bin/bash

python train_supcon.py --gpu_ids="1" --model="sup_con_resnet" --num_classes=3 --epochs=150 --temperature=0.1 \
    --projector="Linear" --dataset="Fold-2" --batch_size=32 --train_size=512 --val_size=512 \
    --loss="DSCL" --loss_2="CELoss" --lamda_1=1.0 --lamda_2=1.0 --optimizer="sgd" --lr=2e-2
