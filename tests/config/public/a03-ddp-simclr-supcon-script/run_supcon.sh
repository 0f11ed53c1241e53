export CUDA_VISIBLE_DEVICES=2,3
export PYTHONPATH=.

python -m torch.distributed.launch --nproc_per_node=2 --master_port 7015 main_supcon.py \
    --syncBN \
    --epochs 120 \
    --learning_rate 0.4 \
    --temp 0.5 \
    --cosine \
    --method SimCLR \
    --ngpu 2
