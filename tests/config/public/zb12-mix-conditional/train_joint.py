import argparse
from contrastive import SupConLoss

parser = argparse.ArgumentParser()
parser.add_argument("--batch_size", default=128, type=int)
parser.add_argument("--epochs", default=50, type=int)
parser.add_argument("--temperature", default=0.1, type=float)
parser.add_argument("--use_self", action="store_true")
args = parser.parse_args()
criterion = SupConLoss(temperature=args.temperature)

for epoch in range(args.epochs):
    for x, y in loader:
        z = net(x)
        loss = criterion(z, y)
        if args.use_self:
            loss = loss + 0.3 * criterion(z)
        loss.backward()
