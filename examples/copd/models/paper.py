"""The network of the Kafka-ML paper: gender, age and smoking tell COPD from healthy."""

import keras

model = keras.Sequential(
    [
        keras.Input((3,)),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(4, activation="sigmoid"),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
model.compile(
    keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
