python train.py --lr=1.0 --epochs=10 --batch-size=64 --loss_type gcl --gamma 0.9 --workers 32 --wd=1e-4 \
  --data_name coco --save_dir saved --optimizer adamw
