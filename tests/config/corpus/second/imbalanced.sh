python train_lt.py --dataset cifar100 --imb_factor 0.01 --loss supcon --temperature 0.1 --batch_size 256 --feat_dim 128
