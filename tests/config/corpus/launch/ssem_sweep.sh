for a in 0.0 0.1 0.5 1.0; do
  for tau in 0.1 0.5; do
    python train.py --dataset cifar10 --alpha $a --temperature ${tau} --n_augment 2 --balanced_batch
  done
done
