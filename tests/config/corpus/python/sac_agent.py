import gymnasium as gym

alpha = 0.2
tau = 0.005
batch_size = 256
temperature = 1.0
