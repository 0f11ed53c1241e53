for s in 1 2 3
do
        CUDA_VISIBLE_DEVICES=0 python main.py --tag dat_$s \
                                        --dataset icbhi \
                                        --n_cls 2 \
                                        --epochs 40 \
                                        --batch_size 8 \
                                        --method ce \
                                        --domain_adaptation2 \
                                        --alpha 1.0 \
                                        --proj_dim 768 \
                                        --temperature 0.06 \
                                        --meta_mode dev \
                                        --target_type project_flow_all \
                                        --accum \
                                        --accum_steps 16
done
