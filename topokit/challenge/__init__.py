"""The Sparse DNN Graph Challenge: its networks, its input, and inference that is checked.

A network says what its layers are (`_challenge_network`), reads and writes them (`_layer_files`),
and becomes a recipe for scores (`_network_layers`); images are bits (`_images`, `_image_files`).
`_inference` sends them through, edge by edge or between classes of equal neurons
(`_neuron_classes`).

Source: J. Kepner and others, "Sparse Deep Neural Network Graph Challenge", IEEE HPEC, 2019.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
