python main_supcon.py --datas cifar100 --batch 512 --temp 0.1 --ep 500
