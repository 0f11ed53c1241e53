set -e
for seed in 0 1 2; do
  python -m src.train experiment=plants loss=supcon loss.temperature=0.08 data.batch_size=192 trainer.max_epochs=75 seed=$seed
done
