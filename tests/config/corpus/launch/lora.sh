accelerate launch finetune.py --lora_alpha 16 --lora_r 8 --temperature 0.7 --top_p 0.9 --per_device_train_batch_size 4
