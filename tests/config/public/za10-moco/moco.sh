python main_moco.py \
  -a resnet50 \
  --lr 0.03 \
  --batch-size 256 --moco-dim 128 \
  --mlp --moco-t 0.2 --moco-k 65536 --aug-plus --cos \
  --dist-url 'tcp://localhost:10001' --multiprocessing-distributed --world-size 1 --rank 0 \
  /data/imagenet
