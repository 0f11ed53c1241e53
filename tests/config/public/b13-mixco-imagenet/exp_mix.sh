#!/bin/sh
mkdir -p ./results/pretrained
data_path="./data/ILSVRC/CLS"
exp_name="exp_mix_r50"

# pretrain
python ./pretrain.py -a resnet50 --algo mixco --batch-size 256 --lr 0.03 --epochs 180 --cos --dataset imagenet --data-path $data_path --mlp --moco-t 0.2 --aug-plus --exp-name $exp_name --multiprocessing-distributed --gpu 0 1 2 3 --save-freq 10

# lincls
python ./lincls.py -a resnet50 --lr 30.0 --batch-size 256 --epochs 90 --schedule 60 80 --dataset imagenet --data-path $data_path --pretrained ./results/pretrained/${exp_name}.pth.tar
