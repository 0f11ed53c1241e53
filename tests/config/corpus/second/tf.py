FLAGS = dict(
    contrastive_loss="supcon",
    temperature=0.05,
    batch_size=2 ** 9,
    projection_units=128,
    dataset="svhn",
)
