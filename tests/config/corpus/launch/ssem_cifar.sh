python train.py --dataset cifar100 --alpha 0.5 --temperature 0.1 --n_augment 2 --batch_size 500 --balanced_batch --dim 128 --epochs 200
