python train.py --loss logit_adjust --tau 0.5 --bs 128 --dataset cifar100_lt --epochs 200
