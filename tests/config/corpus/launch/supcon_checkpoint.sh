# fine-tune from the contrastive checkpoint
python finetune.py --pretrained runs/supcon_t0.1/ckpt.pt --lr 1e-3 --batch_size 64 --num_classes 30 --label_smoothing 0.1
python eval_knn.py --ckpt runs/supcon_t0.1/ckpt.pt --knn_temperature 0.07
