import argparse
import torch
import wandb
from torch.utils.data import DataLoader
from models.full_model import SupConModel
from utils.supconloss import SupConLoss
from utils.data_utils import get_data_loader


def train(model, loader, optimizer, criterion, epochs=100, save_every=2):
    for epoch in range(epochs):
        for images, labels in loader:
            feats = model(torch.cat(images))
            loss = criterion(feats, labels)
            loss.backward()
            optimizer.step()


def fetch(path="resnet50-1x.pth"):
    return f"https://example.org/simclr/{path}"


if __name__ == "__main__":
    parse = argparse.ArgumentParser(description="Train.")
    parse.add_argument("--run_name", type=str, default="supcon_experiment")
    parse.add_argument("--input_dim", type=int, default=2048)
    parse.add_argument("--data_dir", type=str, default="data/train")
    parse.add_argument("--batch_size", type=int, default=64)
    parse.add_argument("--epochs", type=int, default=6)
    parse.add_argument("--learning_rate", type=float, default=0.004)
    parse.add_argument("--temperature", type=float, default=0.07)
    parse.add_argument("--optimizer", type=str, default="SGD", choices=["SGD", "Adam"])
    args = parse.parse_args()
    loader = get_data_loader(args.data_dir, batch_size=args.batch_size)
    model = SupConModel.from_checkpoint("resnet50-1x.pth", input_dim=args.input_dim, proj_dim=128)
    criterion = SupConLoss(temperature=args.temperature)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.learning_rate)
    train(model, loader, optimizer, criterion, epochs=args.epochs)
