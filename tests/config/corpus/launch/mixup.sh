python train_cifar.py --alpha 1.0 --mixup --temperature 1.0 --dataset cifar100 --batch-size 128
