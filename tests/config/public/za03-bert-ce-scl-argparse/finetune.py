import argparse
import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer
from losses import SupConLoss


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--model_name", default="roberta-base")
    p.add_argument("--task", default="sst2")
    p.add_argument("--batch_size", type=int, default=64)
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--lr", type=float, default=1e-5)
    p.add_argument("--lam", type=float, default=0.9, help="weight of the supervised contrastive term")
    p.add_argument("--temperature", type=float, default=0.3)
    return p.parse_args()


def main():
    args = get_args()
    ce = nn.CrossEntropyLoss()
    scl = SupConLoss(temperature=args.temperature)
    for epoch in range(args.epochs):
        for batch in loader:
            h = model(**batch)
            logits = head(h)
            loss = (1 - args.lam) * ce(logits, batch["labels"]) + args.lam * scl(h.unsqueeze(1), batch["labels"])
            loss.backward()


if __name__ == "__main__":
    main()
