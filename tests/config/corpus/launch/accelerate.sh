accelerate launch --num_processes 4 --mixed_precision fp16 train_contrastive.py \
    --loss_type supervised_contrastive --temp 0.05 --train_batch_size 128 --n_classes 20 --emb_dim 256
