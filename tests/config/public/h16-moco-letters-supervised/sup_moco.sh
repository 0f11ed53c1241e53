python main.py --algo sup_moco --K 4096 --m 0.99 --T 0.1 --proj_dim 64 --bs 512
