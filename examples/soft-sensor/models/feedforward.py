"""Nitrate from four cheap sensors; the first layer learns how each of them is scaled."""

import keras

model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(1),
    ]
)
model.compile(keras.optimizers.Adam(1e-3), keras.losses.Huber(), metrics=["mae"])
