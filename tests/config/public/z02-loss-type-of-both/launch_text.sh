accelerate launch --num_processes 1 run_glue_cl.py \
  --model_name_or_path roberta-base --task_name mrpc \
  --loss_type=ce_supcon --temperature 0.3 --per_device_train_batch_size 16 \
  --num_train_epochs 8 --learning_rate 1e-5
