python train.py --config configs/supcon_cifar100.yaml --temperature 0.2
