MODEL="ast"
SEED="1 2 3"

for s in $SEED
do
    for m in $MODEL
    do
        TAG="bs8_seed${s}"
        CUDA_VISIBLE_DEVICES=0 python main.py --tag $TAG \
                                        --dataset icbhi \
                                        --seed $s \
                                        --n_cls 2 \
                                        --epochs 40 \
                                        --batch_size 8 \
                                        --learning_rate 5e-5 \
                                        --model $m \
                                        --ma_beta 0.5 \
                                        --method ce \
                                        --print_freq 100
    done
done
