from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string('loss', 'supcon', 'loss')
flags.DEFINE_float('temperature', 0.1, 'softmax temperature')
flags.DEFINE_integer('batch_size', 512, 'batch')
flags.DEFINE_integer('epochs', 100, 'epochs')


def main(_):
    train(FLAGS.loss, FLAGS.temperature)


app.run(main)
