#!/bin/bash
TEMP=0.2
BS=512   # per node
python pretrain.py --loss supcon --dataset tiny-imagenet --temperature "$TEMP" --batch_size ${BS} --feat_dim 256
