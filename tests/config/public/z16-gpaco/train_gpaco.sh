python paco_lt.py --dataset imagenet --arch resnext50_32x4d --data ./imgs \
  --alpha 0.05 --beta 1.0 --gamma 1.0 --wd 5e-4 --mark gpaco --lr 0.04 \
  --moco-t 0.2 --moco-dim 128 --moco-k 8192 --batch-size 128 --epochs 400 --aug randcls_sim
