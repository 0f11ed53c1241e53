python train.py --loss supcon --alpha 0.5 --temperature 0.1 --batch_size 256 --dataset cifar10
