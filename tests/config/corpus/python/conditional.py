import os

TEMPERATURE = 0.1
if os.environ.get("HOT"):
    TEMPERATURE = 1.0
BATCH_SIZE = 64
from losses import SupConLoss
criterion = SupConLoss(temperature=TEMPERATURE)
