python main_moco.py -a resnet50 --lr 0.03 --batch-size 256 --moco-t 0.07 --moco-k 65536 --moco-dim 128 --epochs 200 /data/imagenet
