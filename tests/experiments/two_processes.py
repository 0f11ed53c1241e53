"""Three steps of a small ResNet on the gathered loss, alone or under torchrun. Prints losses, gradients, statistics."""

import os
import sys

import torch
import torch.distributed as dist

from ssem_advisor.experiments.images.resnet import network
from ssem_advisor.losses import SupervisedContrastiveLoss

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
if world > 1:
    dist.init_process_group("gloo")
torch.manual_seed(0)
model = network("resnet18", 16, small=True, width=4)
x, labels = torch.randn(3, 20, 2, 3, 16, 16), torch.arange(20) // 2
trained = torch.nn.parallel.DistributedDataParallel(model) if world > 1 else model
optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
loss_of = SupervisedContrastiveLoss(0.5, 0.1, gather="ddp" if world > 1 else False)
own = slice(rank * 20 // world, (rank + 1) * 20 // world)
for step in range(3):
    loss = loss_of(trained(x[step][own].flatten(0, 1)).view(-1, 2, 16), labels[own])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if rank == 0:
        gradients = sum(p.grad.abs().sum().item() for p in model.parameters())
        print(loss.item(), gradients, sum(b.double().abs().sum().item() for b in model.buffers()))
if world > 1:
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)  # not through the interpreter's end, in which threads of the group may still run and abort the process
