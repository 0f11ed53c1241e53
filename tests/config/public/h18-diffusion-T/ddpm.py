T = 1000
beta = (1e-4, 0.02)
K = 8
m = 0.5
batch_size = 64
loss = "mse"
contrastive_guidance = True
lr = 1e-4
