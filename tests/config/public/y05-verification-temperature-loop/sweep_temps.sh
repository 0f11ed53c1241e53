TEMPS=(0.03 0.05 0.07 0.10)
for T in "${TEMPS[@]}"; do
  TAG="${MODEL}_t${T}"
  CUDA_VISIBLE_DEVICES="$GPU" python train_verification.py \
    --model "$MODEL" --loss supcon --temperature "$T" \
    --data_dirs $DATA_DIRS --epochs "$EPOCHS" --out "$OUTDIR/${TAG}.pt" --device cuda
  CUDA_VISIBLE_DEVICES="$GPU" python eval_verification.py --model "$MODEL" --ckpt "$OUTDIR/${TAG}.pt"
done
