# balanced contrastive learning, ImageNet-LT
python main.py --data /data/imagenet --dataset ImageNet-LT --arch resnext50 --lr 0.1 -b 256 --alpha 1.0 --beta 0.35 --temp 0.07 --feat_dim 1024 --use_norm True --epochs 90
