python main_linear.py --batch_size 512 --learning_rate 5 --ckpt save/SupCon/last.pth
