# Training SupCon features (using labels)
python main_supcon.py --batch_size 1024 --learning_rate 0.5 --temp 0.1 --cosine \
  --noise 0.2 --data_folder ./data/cifar10 --method SupCon
