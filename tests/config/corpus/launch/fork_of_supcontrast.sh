python train.py --method=SupCon --temp=.1 --bsz=1024 --num_classes 10
