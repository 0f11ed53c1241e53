python main.py --batch_size 32 --learning_rate 0.001 --epochs 15 --temp 0.1 --save_freq 3 \
  --dataset ./data --dataset_name cifar10 --model_type ResNet34 --loss_type SupIn --augmentation basic
