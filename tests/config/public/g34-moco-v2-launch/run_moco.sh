python main_moco.py -a resnet50 --lr 0.03 --batch-size 256 --mlp --moco-t 0.2 --aug-plus --cos \
  --moco-k 65536 --moco-dim 128 --epochs 800 --dist-url 'tcp://localhost:10001' --multiprocessing-distributed /data/imagenet
