python -m torch.distributed.launch --nproc_per_node 1 train.py \
    --model_name_or_path bert-base-uncased --train_file data/nli_for_simcse.csv \
    --output_dir result/my-sup-simcse-bert-base-uncased --num_train_epochs 3 \
    --per_device_train_batch_size 128 --learning_rate 5e-5 --temp 0.05 --do_train
