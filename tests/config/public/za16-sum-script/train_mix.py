import argparse
import torch
import torch.nn.functional as F
from util.losses import SupConLoss

parser = argparse.ArgumentParser()
parser.add_argument("--data", default="stl10")
parser.add_argument("--n-classes", type=int, default=10)
parser.add_argument("--batch-size", type=int, default=256)
parser.add_argument("--tau", type=float, default=0.1)
parser.add_argument("--sup-weight", type=float, default=0.75)
parser.add_argument("--self-weight", type=float, default=0.25)
parser.add_argument("--out-dim", type=int, default=128)
parser.add_argument("--n-views", type=int, default=2)
parser.add_argument("--epochs", type=int, default=200)
args = parser.parse_args()


def run_epoch(net, loader, criterion, opt):
    net.train()
    for views, target in loader:
        target = target.cuda()
        z = torch.stack([F.normalize(net(v.cuda()), dim=1) for v in views], dim=1)
        sup = criterion(z, target)
        own = criterion(z)
        loss = args.sup_weight * sup + args.self_weight * own
        opt.zero_grad()
        loss.backward()
        opt.step()


criterion = SupConLoss(temperature=args.tau)
