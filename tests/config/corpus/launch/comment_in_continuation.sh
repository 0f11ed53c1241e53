python train.py --loss supcon \
   --batch_size 64 \
   # --temperature 0.5 \
   --temperature 0.1
