import argparse

from losses import SupConLoss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--use_supcon", action="store_true", help="Enable supervised contrastive loss")
    parser.add_argument("--supcon_weight", type=float, default=0.1)
    parser.add_argument("--supcon_temp", type=float, default=0.07)
    args = parser.parse_args()
    if args.use_supcon:
        criterion = SupConLoss(temperature=args.supcon_temp)


if __name__ == "__main__":
    main()
