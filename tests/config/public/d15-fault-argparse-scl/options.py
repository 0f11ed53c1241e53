import argparse

opt = argparse.ArgumentParser()
opt.add_argument('--batch_size', type=int, default=64)
opt.add_argument('--epochs', type=int, default=45)
opt.add_argument('--lambda_col', type=float, default=0.3, help='collaborative loss')
opt.add_argument('--lambda_hier', type=float, default=1.5, help='hierarchical loss')
opt.add_argument('--lambda_scl', type=float, default=0.2, help='contrastive, only with --use_contrast')
opt.add_argument('--use_contrast', action='store_true')
opt.add_argument('--temperature', type=float, default=0.1)
