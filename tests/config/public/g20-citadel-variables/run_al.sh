DATASET="drift"
LR=0.03
EPOCHS=200
BATCH_SIZE=512
LAMBDA_SUPCON=0.5
LABEL_RATIO=0.4
TS=$(date "+%m.%d")
CUDA_VISIBLE_DEVICES=1 nohup python -u app/fixmatch_al.py \
    --dataset $DATASET --lr $LR --epochs $EPOCHS \
    --labeled_ratio $LABEL_RATIO --lambda_supcon $LAMBDA_SUPCON \
    --batch_size $BATCH_SIZE > log_$TS.txt 2>&1 &
