"""
Loss surface of a NIN-like network
==================================
The article says, after Im, Tao and Branson (2016), that the loss surface of a network has plateaus without batch
normalization, and peaks and valleys with it.

The network is a small "network in network" after Lin, Chen and Yan (2014): a 3 x 3 convolution with 1 x 1 convolutions
behind it, twice, and instead of dense layers an average over the pixels; activations are ReLU.

It is trained on the digits of scikit-learn, with batch normalization after each convolution but the last and before the
activation, and without; 400 steps of 64 images each with SGD, Adam and SGD with momentum, all from the same start and
with the same batches. What is drawn is the cross entropy on 130 of
the training images, as a function of all parameters, on planes and lines through the start and the places where the
optimizers arrived. With batch normalization, the statistics are those of the 130 images themselves: running statistics
were gathered elsewhere and mean nothing at parameters in between.

First the weights start with the variance of He et al. (2015), made for this activation; then with weights of 0.3 times
that size.
"""

import matplotlib.pyplot as plt
import numpy as np
from networks import BatchNorm, digits, nin_like
from pages import effort, one_blas_thread, style
from pages.surfaces import (
    arrivals,
    barriers,
    draw_flatness,
    draw_lines,
    draw_maps,
    draw_reliefs,
    explore,
    flatness,
    lines,
    perturbed,
    planes,
    ruggedness,
)

style()
one_blas_thread()
data = digits()
seed, steps = 0, effort(400, 2)
norms = {"without": None, "with": BatchNorm}


def explore_both(scale):
    """The landscapes without and with batch normalization, from weights that the same generator draws."""
    return {
        label: explore(lambda rng, norm=norm: nin_like(rng, norm, scale=scale), data, steps, seed)
        for label, norm in norms.items()
    }


# %%
# Where the optimizers arrive
# ---------------------------
# The loss on the 130 images, the norm of its gradient, and the distance from the start, a Euclidean norm over all
# parameters. They are called minima here, as in the article, though training ended after a fixed number of steps.

he = explore_both(scale=1.0)
print(arrivals(he).to_string())

# %%
# Planes
# ------
# The start and three minima span three dimensions. Each plane goes through the start and two of the minima; the third
# is drawn hollow at the nearest point of the plane, with its distance from it. Both axes are distances, and each window
# is twice as wide as the way from the start to the farthest of the three minima. All maps have the same colours.

grids = {label: planes(landscape, effort(27, 3)) for label, landscape in he.items()}
draw_maps(he, grids)
plt.show()

# %%
# The first of the planes, as a surface in space.

draw_reliefs(he, grids)
plt.show()

# %%
# The numbers of each plane. The slope is the norm of the gradient within the plane, per unit of distance. A place is
# flat where the slope is below a tenth of :math:`\ln(10) / d`, with d the distance of the farthest minimum from the
# start: so flat that going as far as d would win less than a tenth of what can be won over guessing. Flat with a loss
# above 1 is a plateau, flat below 1 is the floor of a valley. Roughness is the mean absolute second difference of the
# log10 of the loss from grid point to grid point; minima and maxima are the points of the grid that are below or above
# all their eight neighbours.

print(ruggedness(he, grids).to_string())

# %%
# Lines
# -----
# From the start to each minimum, and from minimum to minimum; half the way beyond both ends.

shares = np.linspace(-0.5, 1.5, effort(41, 5))
curves = {label: lines(landscape, shares) for label, landscape in he.items()}
draw_lines(curves, shares)
plt.show()

# %%
# The barrier is how far the loss climbs between the ends above the higher one.

print(barriers(curves, shares).to_string())

# %%
# Random directions
# -----------------
# A plane through minima is a special one. Here each point is left in 8 random directions, which have the length of the
# point itself in every array of parameters (Li et al., 2018): a weight in front of batch normalization can be scaled
# without effect, so that only relative steps can be compared.

radii = np.array([0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
around = {label: flatness(landscape, radii, effort(8, 1), seed) for label, landscape in he.items()}
draw_flatness(around, radii)
plt.show()
print(perturbed(around, radii).to_string())

# %%
# From small weights
# ------------------
# The same with weights that are 0.3 times as large at the start, on the plane of SGD and Adam. The gradient at the
# start tells how steep the surface is there in all dimensions.

small = explore_both(scale=0.3)
print(arrivals(small).to_string())
small_grids = {label: planes(landscape, effort(27, 3), pairs=1) for label, landscape in small.items()}
draw_maps(small, small_grids)
plt.show()

# %%
# The same surfaces in space, and their numbers.

draw_reliefs(small, small_grids)
plt.show()
print(ruggedness(small, small_grids).to_string())

# %%
# What it shows
# -------------
# TODO
