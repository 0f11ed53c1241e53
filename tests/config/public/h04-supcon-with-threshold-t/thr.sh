python train.py --loss supcon --temp 0.2 --t 0.5 --K 10 --bs 96 --n_cls 7
