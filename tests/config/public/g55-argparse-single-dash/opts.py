import argparse

parser = argparse.ArgumentParser()
parser.add_argument('-bs', '--batch_size', type=int, default=128)
parser.add_argument('-e', '--epochs', type=int, default=350)
parser.add_argument('-t', '--temp', type=float, default=0.1)
parser.add_argument('--loss', default='SupCon', choices=['SupCon', 'SimCLR', 'CE'])
parser.add_argument('--feat_dim', type=int, default=128)
parser.add_argument('--dataset', default='svhn')
args = parser.parse_args()
