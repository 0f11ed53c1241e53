PYTHON='/opt/envs/pt/bin/python'
export CUDA_VISIBLE_DEVICES=0
EXP_NUM=$(ls ${SAVE_DIR} | wc -l)
${PYTHON} -m methods.contrastive_training.contrastive_training \
            --dataset_name 'cifar100' \
            --batch_size 128 \
            --grad_from_block 11 \
            --epochs 200 \
            --base_model vit_dino \
            --temperature 0.3 \
            --n_views 2 \
            --use_ssb_splits 'True' \
            --sup_con_weight 0.35 \
            --weight_decay 5e-5 \
            --contrast_unlabel_only 'False' \
            --transform 'imagenet' \
            --lr 0.1 \
            --eval_funcs 'v1' 'v2' \
> ${SAVE_DIR}logfile_${EXP_NUM}.out
