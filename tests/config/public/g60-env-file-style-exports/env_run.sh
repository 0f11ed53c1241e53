export LOSS=supcon
export TEMP=0.07
export BATCH=256
export EPOCHS=100
exec python train.py --loss "$LOSS" --temp "$TEMP" --batch-size "$BATCH" --epochs "$EPOCHS" --data food101
