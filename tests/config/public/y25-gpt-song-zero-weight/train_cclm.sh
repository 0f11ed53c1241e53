accelerate launch ../train_gen_acc.py --train_data_file ../data/train_4.tsv --output_dir ../outputs/gpt2_finetune \
 --model_name_or_path gpt2 --do_train --do_eval --num_train_epochs 1 --per_device_train_batch_size 8 \
 --fp16 --scl_weight 0.0 --tau 0.05
