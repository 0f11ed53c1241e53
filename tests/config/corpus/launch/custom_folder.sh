DATA=/srv/leaves
python main_supcon.py --dataset path --data_folder $DATA --mean "(0.48, 0.45, 0.40)" --std "(0.22, 0.22, 0.22)" \
    --batch_size 64 --temp 0.1
