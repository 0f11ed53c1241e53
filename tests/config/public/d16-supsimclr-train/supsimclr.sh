python main.py --module supsimclr \
               --max_epochs 900 \
               --accelerator ddp \
               --gpu 1 \
               --batch_size 1024 \
               --lr 0.7 \
               --temperature 0.1
