# ---- dataset
version = "v2"
train_set = "train"
loss_type = "ce_margin"
in_memory = False

# ---- running
entropy = 4.5
scale = 16
alpha = 0.5
temp = 0.2
use_cos = True
sc_epoch = 30
bias_inject = True
learnable_margins = True
supcon = True

main_path = "/store/vqa"
batch_size = 256
epochs = 25
