import optuna
import torch
from pytorch_metric_learning.losses import SupConLoss

BATCH_SIZE = 256
NUM_CLASSES = 10
EPOCHS = 30


def objective(trial):
    temperature = trial.suggest_float("temperature", 0.02, 0.5, log=True)
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    criterion = SupConLoss(temperature=temperature)
    model = build_model(out_dim=128)
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    for _ in range(EPOCHS):
        for x, y in loader:
            loss = criterion(model(x), y)
            loss.backward()
    return probe(model)


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=50)
