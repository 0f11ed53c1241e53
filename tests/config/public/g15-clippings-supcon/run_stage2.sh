python train_pairs.py --clip_lr 5e-9 --train_data_type labelled --run_name stage2 --m 3 \
  --training_type train_bienc --im_wt 0.5 --k 3 --supcon_temp 0.1 --train_hardneg --loss_type supcon \
  --checkpoint clip.pt
