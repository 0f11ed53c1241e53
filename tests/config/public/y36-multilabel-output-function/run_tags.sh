python train_tags.py --dataset mscoco --output_func MulSupCon --temperature 0.1 --batch_size 64 --epochs 30
