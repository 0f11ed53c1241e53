#!/bin/bash
DATASET=cifar10
EPOCHS=1000
BS=1024
# stage 1
python main_supcon.py --batch_size $BS --learning_rate 0.5 --temp 0.1 --cosine --dataset $DATASET --epochs $EPOCHS
# stage 2
python main_linear.py --batch_size 512 --learning_rate 5 --dataset $DATASET \
  --ckpt ./save/SupCon/${DATASET}_models/last.pth
