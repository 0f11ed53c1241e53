python train.py --loss contrastive --temperature 0.1 --batch_size 256 --num_classes 12
