"""
Loss surface of a NIN-like network
==================================
The article says, after Im, Tao and Branson (2016), that the loss surface of a network has plateaus without batch
normalization, and peaks and valleys with it.

The network is a small "network in network" after Lin, Chen and Yan (2014): a 3 x 3 convolution with 1 x 1 convolutions
behind it, twice, and instead of dense layers an average over the pixels; activations are ReLU.

Everything else is as on the page of the VGG-like network, :doc:`loss_surface_vgg`, which also explains the figures and
the numbers: the same optimizers, batches and images, but 400 steps. Batch normalization is after each convolution but
the last, and before the activation.
"""

import matplotlib.pyplot as plt
import numpy as np
from networks import digits, nin_like
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
steps = effort(400, 2)

# %%
# Where the optimizers arrive
# ---------------------------

he = explore_both(nin_like, data, steps, scale=1.0)
print(arrivals(he).to_string())

# %%
# Planes
# ------

grids = {label: planes(landscape, effort(21, 3)) for label, landscape in he.items()}
draw_maps(he, grids)
plt.show()

# %%
# The first of the planes, as a surface in space, cut off where the colours of the maps end.

draw_reliefs(he, grids)
plt.show()

# %%
# The numbers of each plane.

print(ruggedness(he, grids).to_string())

# %%
# Lines
# -----

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

small = explore_both(nin_like, data, steps, scale=0.3)
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
# *Plateaus without batch normalization*: it depends on where one starts. From He's weights it is not borne out, the
# opposite shows: without batch normalization hardly any place is flat at a high loss (column "flat, loss > 1 %"), and
# with it some per cent of a plane are. Normalized activations bound the loss, which without them grows with the
# product of all layers. The gradient at the start is also larger without. From small weights it is borne out where
# training begins: without batch normalization the gradient at the start is several times smaller, and SGD and momentum
# are still on that plateau, at the loss of guessing, when Adam has left it. With batch normalization all three arrive
# at a low loss. As a share of the plane the flat and high part is even there larger with batch normalization.
#
# *Peaks and valleys with batch normalization*: from He's weights the opposite shows for valleys. Without it the minima
# lie in pits of their own, with barriers between them; with it they lie in one valley, and the barriers nearly vanish.
# The surface without is rougher, and climbs about ten times as high or more in the same window. With batch
# normalization a plane may have an inner maximum, which no plane without has, but it is a low hill: the highest loss of
# that plane is less than twice the loss at the start. From small weights the plane with batch normalization has more
# minima than that without, as SGD stays near the start there; which one is rougher depends on the seed.
#
# *Sharpness*: with random steps as long as the parameters themselves the loss grows more without batch normalization,
# everywhere. For steps of 0.3 this holds at the minimum of Adam; at the two others it depends on the seed.
#
# Two other seeds gave the same signs, except where said. Networks, images and windows are far smaller than those of the
# article, which may be why its picture shows only in part.
