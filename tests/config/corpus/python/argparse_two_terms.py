import argparse

p = argparse.ArgumentParser()
p.add_argument("--temperature", default="0.1", type=float)
p.add_argument("--alpha", default=0.5, type=float, help="weight of the self-supervised term")
p.add_argument("--n_augment", default=2, type=int)
p.add_argument("--balanced_batch", action="store_true")
p.add_argument("--batch_size", default=500, type=int)
p.add_argument("--dataset", required=True)
