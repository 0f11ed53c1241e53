python train_embed.py --loss_type infonce --temperature 0.05 --batch_size 96 --epochs 6 --max_len 128
