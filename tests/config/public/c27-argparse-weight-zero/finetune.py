import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--batch_size", type=int, default=64)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--freeze_backbone", action="store_true", help="train the head alone")
parser.add_argument("--supcon_weight", type=float, default=0.0, help="0.0 switches it off: plain cross-entropy")
parser.add_argument("--supcon_temperature", type=float, default=0.1)
parser.add_argument("--tul_proj_dim", type=int, default=128)
args = parser.parse_args()
