for seed in 1 2 3; do python sac.py --env-id Hopper-v4 --alpha 0.2 --tau 0.005 --batch-size 256 --seed $seed; done
