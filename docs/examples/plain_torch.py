"""Train on the digits with a loop of your own; the monitor speaks up if the embedding collapses.

Classes are pairs of digits (0-1, 2-3, ...). A collapsed embedding cannot tell the two digits of a pair apart.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

from ssem_advisor import Setting, measure
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import BalancedBatchSampler, CollapseMonitor


def digits() -> torch.utils.data.TensorDataset:
    x, y = load_digits(return_X_y=True)
    return torch.utils.data.TensorDataset(torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y) // 2)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 32))


def two_views(x: torch.Tensor) -> torch.Tensor:
    """(instances, views, pixels): two noisy copies of every image."""
    x = x[:, None].expand(-1, 2, -1)
    return x + 0.1 * torch.randn_like(x)


def train(alpha: float, temperature: float = 0.5, epochs: int = 10) -> tuple[CollapseMonitor, torch.Tensor]:
    torch.manual_seed(0)
    data, model = digits(), network()
    setting = Setting(
        classes=5, dim=32, temperature=temperature, alpha=alpha, batch_size=250, sampler="balanced", views=2
    )
    criterion = SupervisedContrastiveLoss(alpha, temperature)
    monitor = CollapseMonitor(setting, every=7, spread_every=100)  # a short run: look often
    sampler = BalancedBatchSampler(data.tensors[1], classes_per_batch=5, instances_per_class=50)
    loader = torch.utils.data.DataLoader(data, batch_sampler=sampler)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for x, y in loader:
            z = model(two_views(x))
            loss = criterion(z, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.update(z, y)
    with torch.no_grad():
        return monitor, model(two_views(data.tensors[0]))


if __name__ == "__main__":
    torch.set_num_threads(1)  # enough for small networks; beside other busy processes more are many times slower
    for alpha in (0.1, 0.5):  # the collapse threshold of this setting is 0.319
        monitor, embeddings = train(alpha)
        result = measure(embeddings, digits().tensors[1], setting=monitor.setting)
        print(
            f"alpha {alpha}: within-class variance {result.within_class_variance:.3f}, {monitor.warning or 'healthy'}"
        )
