import argparse

from losses import SupConLoss


def parse_option():
    parser = argparse.ArgumentParser("training")
    parser.add_argument("--batch_size", type=int, default=256, help="images")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--dataset", type=str, default="cifar10", choices=["cifar10", "cifar100", "path"])
    parser.add_argument("--method", type=str, default="SupCon", choices=["SupCon", "SimCLR"])
    parser.add_argument("--temp", type=float, default=0.07)
    parser.add_argument("--cosine", action="store_true")
    return parser.parse_args()


def main():
    opt = parse_option()
    criterion = SupConLoss(temperature=opt.temp)
