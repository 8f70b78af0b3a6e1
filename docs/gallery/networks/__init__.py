"""Small networks in NumPy and fastbn, for the pages of the gallery: layers, losses, optimizers, data."""

from .architectures import convolutional_network, dense_network, nin_like, vgg_like
from .data import Digits, digits, minibatches
from .layers import Convolution, Dense, Flatten, GlobalAverage, Layer, MaxPool, Plain, ReLU, Sigmoid
from .norms import BatchNorm, GroupNorm, LayerNorm
from .sequence import Network, accuracy, cross_entropy, inputs_of
from .training import SGD, Adam, Momentum, Optimizer, train

__all__ = [
    "SGD",
    "Adam",
    "BatchNorm",
    "Convolution",
    "Dense",
    "Digits",
    "Flatten",
    "GlobalAverage",
    "GroupNorm",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "Momentum",
    "Network",
    "Optimizer",
    "Plain",
    "ReLU",
    "Sigmoid",
    "accuracy",
    "convolutional_network",
    "cross_entropy",
    "dense_network",
    "digits",
    "inputs_of",
    "minibatches",
    "nin_like",
    "train",
    "vgg_like",
]
