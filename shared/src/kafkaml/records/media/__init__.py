"""Pictures and sounds: the formats IMAGE and AUDIO.

Decoders are large C libraries that read bytes of strangers, so they run in a process of
their own (`decoder`, `worker`), after the headers were looked at in Python (`pictures`,
`dicom`, `sounds`). Only that process imports TensorFlow.
"""
