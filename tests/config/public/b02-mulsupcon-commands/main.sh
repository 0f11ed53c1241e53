python pretrain.py --dataset mimic --mode pretrain  --backbone resnet34 --batch_size 64 --num_epochs 120 --scheduler COS  --lr 0.0004 \
    --output_func MulSupCon_w  --sm_lamdba 1.0  --weight_health 0.75

python pretrain.py --dataset mimic --mode train  --backbone resnet34 --train_epochs 90   --train_batch_size 32 --train_lr 0.0004 --train_pretrain \
    --loss 'BCE' --load_pretrain --pretrain_path MulSupCon_resnet34_mimic_pretrain

python pretrain.py --dataset mimic --mode test  --backbone resnet34  \
    --model_path MulSupCon_resnet34_mimic_train
