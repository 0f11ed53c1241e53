EXTRA="--gpus 2 --precision 16"
python tools/train.py --config configs/skin/supcon_isic.yaml $EXTRA
