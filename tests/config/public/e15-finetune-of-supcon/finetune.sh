python finetune.py --loss cross_entropy --pretrained runs/supcon_cifar100/last.pth --epochs 50 --batch_size 128 --lr 0.01 --num_classes 100
