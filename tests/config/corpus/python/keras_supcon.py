import keras
from keras import ops

num_classes = 10
batch_size = 265
hidden_units = 512
projection_units = 128
num_epochs = 50
temperature = 0.05


class SupervisedContrastiveLoss(keras.losses.Loss):
    def __init__(self, temperature=1, name=None):
        super().__init__(name=name)
        self.temperature = temperature


encoder.compile(loss=SupervisedContrastiveLoss(temperature))
