import keras
import tensorflow as tf
import tensorflow_addons as tfa

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

    def __call__(self, labels, feature_vectors, sample_weight=None):
        feature_vectors_normalized = tf.math.l2_normalize(feature_vectors, axis=1)
        logits = tf.divide(tf.matmul(feature_vectors_normalized, tf.transpose(feature_vectors_normalized)), self.temperature)
        return tfa.losses.npairs_loss(tf.squeeze(labels), logits)


encoder.compile(optimizer=keras.optimizers.Adam(1e-3), loss=SupervisedContrastiveLoss(temperature))
encoder.fit(x=x_train, y=y_train, batch_size=batch_size, epochs=num_epochs)
