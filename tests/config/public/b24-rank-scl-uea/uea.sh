python ../main.py --path UEA --cuda  --device 1 --model FCN --distance EU --aug_positives 5 --seed 3 --lr 0.0002 --epochs_up 90 --epochs_down 90 --loss rank --dataset Words --batchsiz 4
