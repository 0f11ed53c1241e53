python train.py --method SupMoCo --T 0.07 --K 8192 --m 0.999 --dim 128 --batch_size 256 --epochs 200 --dataset cub200
