"""
Loss surface of a VGG-like network
==================================
The article says, after Im, Tao and Branson (2016), that the loss surface of a network has plateaus without batch
normalization, and peaks and valleys with it.

The network is a small one after Simonyan and Zisserman (2015): two 3 x 3 convolutions and a pooling, twice, then two
dense layers; activations are ReLU.

It is trained on the digits of scikit-learn, with batch normalization after each convolution and before the
activation, and without; 200 steps of 64 images each with SGD, Adam and SGD with momentum, all from the same start and
with the same batches. What is drawn is the cross entropy on 130 of the training images, as a function of all
parameters, on planes and lines through the start and the places where the optimizers arrived. With batch
normalization, the statistics are those of the 130 images themselves: running statistics were gathered elsewhere and
mean nothing at parameters in between.

First the weights start with the variance of He et al. (2015), made for this activation; then with weights of 0.3 times
that size.
"""

import matplotlib.pyplot as plt
import numpy as np
from networks import digits, vgg_like
from pages import effort, one_blas_thread, style
from pages.surfaces import (
    arrivals,
    barriers,
    draw_flatness,
    draw_lines,
    draw_maps,
    draw_reliefs,
    explore_both,
    flatness,
    lines,
    perturbed,
    planes,
    ruggedness,
)

style()
one_blas_thread()
data = digits()
steps = effort(200, 2)

# %%
# Where the optimizers arrive
# ---------------------------
# The loss on the 130 images, the norm of its gradient, and the distance from the start, a Euclidean norm over all
# parameters. They are called minima here, as in the article, though training ended after a fixed number of steps.

he = explore_both(vgg_like, data, steps, scale=1.0)
print(arrivals(he).to_string())

# %%
# Planes
# ------
# The start and three minima span three dimensions. Each plane goes through the start and two of the minima; the third
# is drawn hollow at the nearest point of the plane, with its distance from it. Both axes are distances, and each window
# is twice as wide as the way from the start to the farthest of the three minima. All maps have the same colours.

grids = {label: planes(landscape, effort(21, 3)) for label, landscape in he.items()}
draw_maps(he, grids)
plt.show()

# %%
# The first of the planes, as a surface in space, cut off where the colours of the maps end.

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
around = {label: flatness(landscape, radii, effort(8, 1)) for label, landscape in he.items()}
draw_flatness(around, radii)
plt.show()
print(perturbed(around, radii).to_string())

# %%
# From small weights
# ------------------
# The same with weights that are 0.3 times as large at the start, on the plane of SGD and Adam. The gradient at the
# start tells how steep the surface is there in all dimensions.

small = explore_both(vgg_like, data, steps, scale=0.3)
print(arrivals(small).to_string())
small_grids = {label: planes(landscape, effort(21, 3), pairs=1) for label, landscape in small.items()}
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
# *Plateaus without batch normalization*: it depends on where one starts. From He's weights it is not borne out. No part
# of the three planes is flat at a high loss, neither without nor with batch normalization (column "flat, loss > 1 %"),
# and the gradient at the start is large in both. What is flat with batch normalization is the floor of the valley. From
# small weights it is borne out where training begins: without batch normalization the gradient at the start is several
# times smaller, and SGD and momentum are still on that plateau, at the loss of guessing, when Adam has left it. With
# batch normalization, which makes up for the scale of the weights in front of it, all three arrive at a low loss. As a
# share of the plane the plateau is not always larger than with batch normalization: it ends at a steep wall.
#
# *Peaks and valleys with batch normalization*: from He's weights the opposite shows. Without it the loss climbs higher
# in the same window, up to tens of times, as the scales of all layers multiply; the surface is rougher, and between
# minima there are barriers, whose height depends on the seed. With it the loss is bounded more closely, and the
# barriers nearly vanish: the minima lie in one valley. No plane has a peak, that is, an inner maximum. From small
# weights the surface with batch normalization is the rougher one, with several minima; but those are mostly dents in
# the floor of a deep valley, at less than a thousandth of the loss at the start, and what looks like a peak is hardly
# above the loss of guessing.
#
# *Sharpness*: no single answer. With random steps as long as the parameters themselves the loss grows more without
# batch normalization, everywhere. With steps of 0.3 it grows more without at the minimum of Adam, and less at the two
# others.
#
# Two other seeds gave the same signs. Networks, images and windows are far smaller than those of the article, which may
# be why its picture shows only in part.
