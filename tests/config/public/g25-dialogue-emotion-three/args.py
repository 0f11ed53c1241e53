import argparse


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="meld")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ce_weight", type=float, default=0.1)
    parser.add_argument("--supcon_weight", type=float, default=0.9)
    parser.add_argument("--temperature", type=float, default=0.08)
    parser.add_argument("--num_classes", type=int, default=7)
    return parser.parse_args()
