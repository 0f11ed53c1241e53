env WANDB_MODE=offline nohup python -m embed.train --loss="SupConLoss" --temperature='0.08' --batch-size=96 --n-views=2 > log.txt 2>&1 &
