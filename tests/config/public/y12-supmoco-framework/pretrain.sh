python main.py supmoco \
 -a resnet50 --framework 'supmoco' --warmup_epoch 0 --lr 0.2 \
 --dim 128 --hid-dim 0 --K 8192 --m 0.999 --T 0.07 \
 --num_positive 0 --alpha 1.0 \
 --dist-url 'tcp://localhost:10001' --multiprocessing-distributed --world-size 1 --rank 0
