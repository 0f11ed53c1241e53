python train.py --loss l_spread --a_lc 1.0 --a_spread 0.5 --temp 0.5 --dataset cifar10 --batch_size 128 --epochs 100
