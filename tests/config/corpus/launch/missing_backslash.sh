python main_supcon.py --dataset cifar100 \
   --batch_size 1024
   --temp 0.1 --cosine
echo done
