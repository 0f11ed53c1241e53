T=0.1
if [ "$1" = "warm" ]; then
  T=0.5
fi
python pretrain.py --loss supcon --temperature $T --batch_size 256
