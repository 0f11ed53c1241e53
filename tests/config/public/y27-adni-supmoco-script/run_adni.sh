BATCH_SIZE=16
PROJECTOR_DIM=128
NUM_NEGATIVES=1024
for ALPHAS in "1.0,1.0" "1.0,0.5"
do
  python ./run_supmoco.py \
    --data_type mri \
    --root /data/ADNI \
    --batch_size $BATCH_SIZE \
    --optimizer adamw \
    --learning_rate 0.0001 \
    --projector_dim $PROJECTOR_DIM \
    --num_negatives $NUM_NEGATIVES \
    --key_momentum 0.995 \
    --alphas $ALPHAS
done
