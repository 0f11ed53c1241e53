from absl import app, flags
from losses import supervised_nt_xent_loss

FLAGS = flags.FLAGS
flags.DEFINE_float("temperature", 0.1, "softmax temperature")
flags.DEFINE_integer("batch_size", 512, "batch")
flags.DEFINE_integer("projection_dim", 64, "dim")
flags.DEFINE_integer("num_classes", 43, "classes")
flags.DEFINE_integer("epochs", 60, "epochs")


def main(_):
    for x, y in data:
        loss = supervised_nt_xent_loss(model(x), y, temperature=FLAGS.temperature)


if __name__ == "__main__":
    app.run(main)
