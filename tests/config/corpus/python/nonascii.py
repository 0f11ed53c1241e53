# Größe der Stapel – siehe Notiz
from losses import SupConLoss

name = "Vögel"; loss_fn = SupConLoss(temperature=0.25); batch_size = 77
