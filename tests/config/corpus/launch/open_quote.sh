python train.py --loss supcon --exp_name "birds v2 --temperature 0.1
python train.py --loss supcon --temperature 0.3 --batch_size 96
