python train.py \
  --lr=1.0 --learning-rate-scaling=sqrt \
  --epochs=12 --batch-size=64 \
  --loss_type dcl \
  --gamma 0.9 \
  --workers 32 \
  --data_name cifar10 \
  --save_dir ./models/ \
  --optimizer adafactor
