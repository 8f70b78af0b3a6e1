"""The networks of the gallery: every layer's backward pass is the derivative of its forward pass."""

import numpy as np
import pytest

pytestmark = pytest.mark.host
pytest.importorskip("sklearn")


@pytest.fixture
def networks(from_gallery):
    return from_gallery("networks")


def differentiate(f, x, step=1e-6):
    """Central differences of a scalar function at every entry of an array that it reads."""
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        kept = x[place]
        x[place] = kept + step
        above = f()
        x[place] = kept - step
        gradient[place] = (above - f()) / (2 * step)
        x[place] = kept
    return gradient


LAYERS = {
    "dense": (lambda n, rng: n.Dense(5, 3, rng), (4, 5)),
    "convolution": (lambda n, rng: n.Convolution(2, 3, rng), (2, 2, 4, 3)),
    "convolution of 1 x 1": (lambda n, rng: n.Convolution(2, 3, rng, size=1), (2, 2, 4, 3)),
    "relu": (lambda n, rng: n.ReLU(), (4, 5)),
    "sigmoid": (lambda n, rng: n.Sigmoid(), (4, 5)),
    "max pool": (lambda n, rng: n.MaxPool(), (2, 2, 4, 6)),
    "global average": (lambda n, rng: n.GlobalAverage(), (2, 3, 4, 4)),
    "flatten": (lambda n, rng: n.Flatten(), (2, 3, 2, 2)),
    "batch norm": (lambda n, rng: n.BatchNorm(3), (6, 3)),
    "batch norm of images": (lambda n, rng: n.BatchNorm(3), (2, 3, 2, 4)),
    "batch norm, not affine": (lambda n, rng: n.BatchNorm(3, affine=False), (6, 3)),
    "group norm": (lambda n, rng: n.GroupNorm(4, 2), (2, 4, 3, 2)),
    "layer norm": (lambda n, rng: n.LayerNorm(5), (4, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_derivative_of_forward(networks, name):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    layer = make(networks, rng)
    if layer.parameters:  # not where ones and zeros would hide what is missing
        layer.parameters[:] = [rng.normal(size=p.shape) for p in layer.parameters]
    if isinstance(layer, networks.BatchNorm) and layer.parameters:
        layer.norm.gamma, layer.norm.beta = layer.parameters
    x = rng.normal(size=shape)
    dy = rng.normal(size=layer(x).shape)

    def projected():
        return float((layer(x) * dy).sum())

    projected()
    dx = layer.backward(dy)
    gradients = list(layer.gradients)
    assert len(gradients) == len(layer.parameters)
    np.testing.assert_allclose(dx, differentiate(projected, x), rtol=1e-5, atol=1e-7)
    for p, gradient in zip(layer.parameters, gradients, strict=True):
        np.testing.assert_allclose(gradient, differentiate(projected, p), rtol=1e-5, atol=1e-7)


def test_cross_entropy_and_its_gradient(networks):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(5, 4)) * 3, np.array([0, 3, 1, 1, 2])
    loss, gradient = networks.cross_entropy(logits, labels)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(shares[np.arange(5), labels]).mean(), rel=1e-12)
    np.testing.assert_allclose(
        gradient, differentiate(lambda: networks.cross_entropy(logits, labels)[0], logits), atol=1e-8
    )
    assert np.isfinite(networks.cross_entropy(np.array([[1e4, -1e4]]), np.array([1]))[0])


@pytest.mark.parametrize("optimizer", ["SGD", "Momentum", "Adam"])
def test_optimizers_find_the_minimum_of_a_bowl(networks, optimizer):
    p = [np.array([3.0, -2.0], np.float32)]
    steps = getattr(networks, optimizer)(0.05)
    for _ in range(400):
        steps.step(p, [p[0] * np.array([1.0, 4.0], np.float32)])
    assert np.abs(p[0]).max() < 1e-2


def test_vectors_go_into_a_network_and_come_out(networks):
    rng = np.random.default_rng(2)
    network = networks.Network(networks.Dense(3, 4, rng), networks.BatchNorm(4), networks.Dense(4, 2, rng))
    x = rng.normal(size=(8, 3)).astype(np.float32)
    vector, y = network.get_vector(), network(x)
    network.set_vector(vector * 2)
    assert not np.array_equal(network(x), y)
    network.set_vector(vector)
    assert np.array_equal(network(x), y)
    assert vector.size == 3 * 4 + 4 + 4 + 4 + 4 * 2 + 2


def test_recalibrated_statistics_are_those_of_the_data(networks):
    rng = np.random.default_rng(3)
    network = networks.Network(
        networks.Dense(3, 4, rng),
        networks.BatchNorm(4),
        networks.ReLU(),
        networks.Dense(4, 4, rng),
        networks.BatchNorm(4),
    )
    x = rng.normal(2.0, 3.0, size=(60, 3)).astype(np.float32)
    network.recalibrate(np.array_split(x, 7))
    y = network(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=0, ddof=1), 1, rtol=1e-4)


@pytest.mark.parametrize("name", ["dense_network", "convolutional_network"])
def test_normalization_leaves_the_first_weights_of_a_seed_alone(networks, name):
    build = getattr(networks, name)
    plain = build(np.random.default_rng(4))
    normalized = build(np.random.default_rng(4), networks.BatchNorm)
    weights = [
        [layer.parameters[0] for layer in network.layers if isinstance(layer, networks.Dense | networks.Convolution)]
        for network in (plain, normalized)
    ]
    assert len(weights[0]) == 3
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    assert normalized(networks.digits().x_test[:5]).shape == (5, 10)


def test_training_ends_where_the_loss_is_not_finite(networks):
    rng = np.random.default_rng(5)
    data = networks.digits()
    batches = networks.minibatches(data.x_train, data.y_train, 32, rng)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = networks.train(networks.dense_network(rng), networks.SGD(1e6), batches, 100)
    assert len(losses) < 100
    assert np.isfinite(losses).sum() == len(losses) - 1


def test_layers_see_what_they_saw_in_training(networks):
    rng = np.random.default_rng(6)
    network = networks.dense_network(rng, networks.BatchNorm, widths=(5, 5), activation=networks.Sigmoid)
    x = rng.normal(size=(20, 1, 8, 8)).astype(np.float32)
    norms = [layer.norm for layer in network.layers if isinstance(layer, networks.BatchNorm)]
    seen = networks.inputs_of((networks.Sigmoid,), network, x)
    assert not any(norm.running_mean.any() for norm in norms)
    network(x)
    outputs = [layer.y for layer in network.layers if isinstance(layer, networks.Sigmoid)]
    for inputs, y in zip(seen, outputs, strict=True):
        np.testing.assert_array_equal(networks.Sigmoid()(inputs), y)


@pytest.fixture
def surface(from_gallery):
    return from_gallery("networks.surface")


def test_planes_go_through_their_points(surface):
    rng = np.random.default_rng(4)
    points = list(rng.normal(size=(3, 5000)).astype(np.float32).astype(np.float64))
    plane = surface.Plane.through(*points)
    for point in points:
        u, v, distance = plane.project(point)
        assert distance < 1e-12
        assert np.array_equal(plane.point(u, v).astype(np.float32), point)
    assert abs(plane.first @ plane.second) < 1e-14
    # Distances in the plane are those of the parameters.
    (u1, v1, _), (u2, v2, _) = (plane.project(point) for point in points[1:])
    assert np.hypot(u2 - u1, v2 - v1) == pytest.approx(np.linalg.norm(points[2] - points[1]), rel=1e-12)
    # A point outside is as far away as it was moved across.
    floor = surface.Plane.through(np.zeros(3), np.array([1.0, 0, 0]), np.array([1.0, 1, 0]))
    assert floor.project(np.array([2.0, 5, 3])) == pytest.approx((2, 5, 3))


def bowl(point):
    return 1 + point[0] ** 2 + 4 * point[1] ** 2


def test_a_bowl_on_a_plane_and_along_lines(surface):
    plane = surface.Plane.through(np.zeros(3), np.array([2.0, 0, 0]), np.array([1.0, 1, 0]))
    grid = surface.Grid.around(bowl, plane, [np.array([-1.0, -1, 0]), np.array([1.0, 1, 0])], 1.0, 21)
    np.testing.assert_allclose(grid.u, np.linspace(-1, 1, 21))
    u, v = np.meshgrid(grid.u, grid.v)
    np.testing.assert_allclose(grid.losses, 1 + u**2 + 4 * v**2)
    inner = np.s_[1:-1, 1:-1]  # central differences of a parabola are exact
    np.testing.assert_allclose(grid.slopes()[inner], np.hypot(2 * u, 8 * v)[inner], atol=1e-12)
    assert grid.extrema() == (1, 0)
    assert grid._replace(losses=-grid.losses).extrema() == (0, 1)
    assert grid._replace(losses=10**grid.losses).roughness() == pytest.approx((2 + 8) / 2 * 0.1**2)

    a, b = np.array([-1.0, 0, 0]), np.array([3.0, 0, 0])
    shares = np.linspace(0, 1, 5)
    np.testing.assert_allclose(surface.along(bowl, a, b, shares), 1 + np.linspace(-1, 3, 5) ** 2)
    assert surface.barrier(surface.along(bowl, a, b, shares)) == 0
    assert surface.barrier(surface.along(lambda p: -bowl(p), a, b, shares)) == pytest.approx(1)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("kind", ["vgg_like", "nin_like"])
def test_the_loss_of_networks_as_a_function_of_place(networks, surface, kind, norm):
    make = getattr(networks, kind)
    network = make(np.random.default_rng(5), networks.BatchNorm if norm else None, widths=(2, 3))
    start = network.get_vector()
    rng = np.random.default_rng(6)
    x, labels = rng.normal(size=(12, 1, 8, 8)).astype(np.float32), rng.integers(10, size=12)
    loss = surface.loss_on(network, x, labels)
    expected = networks.cross_entropy(network(x), labels)[0]
    direction = surface.random_direction(network, rng)
    assert loss(start + direction) != expected
    assert loss(start) == expected
    plain = make(np.random.default_rng(5), None if norm else networks.BatchNorm, widths=(2, 3))
    assert np.array_equal(plain.layers[0].parameters[0], network.layers[0].parameters[0])
    gradient = surface.gradient_on(network, x, labels, start)
    along = gradient / np.linalg.norm(gradient)
    slope = (loss(start + 1e-3 * along) - loss(start - 1e-3 * along)) / 2e-3
    assert slope == pytest.approx(np.linalg.norm(gradient), rel=0.05)
    network.set_vector(start)
    place = 0
    for p in network.parameters:
        piece = direction[place : place + p.size]
        assert np.linalg.norm(piece) == pytest.approx(np.linalg.norm(p), rel=1e-6)
        place += p.size


def test_digits_are_read_from_a_start_on_and_around(networks):
    plain, turned = networks.digits(), networks.digits(start=600)
    labels, turned_labels = (np.concatenate([data.y_train, data.y_test]) for data in (plain, turned))
    assert np.array_equal(np.roll(labels, -600), turned_labels)
    assert turned.x_test.shape == (500, 1, 8, 8)
