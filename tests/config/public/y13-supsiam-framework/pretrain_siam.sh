python main.py supsiam \
 -a resnet50 --framework 'supsiam' --warmup_epoch 40 --lr 0.4 \
 --dim 2048 --hid-dim 512 --K 8192 --m 0.0 --T 0.0 \
 --fix-pred-lr --num_positive 0 --alpha 0.5
