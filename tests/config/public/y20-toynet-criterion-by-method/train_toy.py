import argparse

import torch
from losses import SupConLoss


def parse_option():
    parser = argparse.ArgumentParser("argument for training")
    parser.add_argument("--batch_size", type=int, default=512)
    parser.add_argument("--learning_rate", type=float, default=0.05)
    parser.add_argument("--method", type=str, default="SupCon", choices=["SupCon", "mainCE"])
    parser.add_argument("--temp", type=float, default=0.07)
    return parser.parse_args()


def set_model(opt):
    if opt.method == "mainCE":
        criterion = torch.nn.CrossEntropyLoss()
    else:
        criterion = SupConLoss(temperature=opt.temp)
    return criterion
