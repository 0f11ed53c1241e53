python paco_lt.py --dataset inat --alpha 0.05 --beta 1.0 --gamma 1.0 --moco-t 0.2 --moco-k 8192 --moco-dim 128 --feat_dim 2048 --batch-size 128 --epochs 400
