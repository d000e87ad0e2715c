from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from flowdis.metrics.networks import reading_network, shrink, small_network, train_network
from flowdis.metrics.seeds import draw_seed


def trained(seed, inputs, labels, **changed):
    network = small_network(inputs.shape[1:], 2, seed=seed)
    options = {"steps": 20, "batch_size": 16, "learning_rate": 3e-3} | changed
    generator = torch.Generator().manual_seed(seed)

    def loss(rows):
        return functional.cross_entropy(network(inputs[rows]), labels[rows])

    train_network(network, loss, len(inputs), generator=generator, **options)
    return network


def halves(count=40):
    """Images that are bright on the left or on the right."""
    labels = torch.arange(count) % 2
    images = torch.rand(count, 1, 9, 7, generator=torch.Generator().manual_seed(4))
    images[..., :3] += labels[:, None, None, None]
    return images, labels


def test_a_network_learns_in_any_gradient_mode_and_leaves_torch_as_it_was():
    images, labels = halves()
    state = torch.random.get_rng_state()
    networks = [trained(0, images, labels)]
    with torch.no_grad():
        networks.append(trained(0, images, labels))
    with torch.inference_mode():
        networks.append(trained(0, 1.0 * images, labels))
    assert torch.equal(torch.random.get_rng_state(), state)
    fresh, _ = halves(41)
    for network in networks:
        assert float((network(images).argmax(-1) == labels).float().mean()) == 1.0
        assert torch.equal(network(fresh), networks[0](fresh))
        assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not torch.equal(trained(1, images, labels)(fresh), networks[0](fresh))
    with pytest.raises(ValueError, match="`steps` must be a finite number > 0, got 0"):
        trained(0, images, labels, steps=0)


def test_what_is_read_does_not_hang_on_the_batch():
    images, labels = halves()
    network = reading_network(images.shape[1:], 2, seed=0)

    def loss(rows):
        return functional.cross_entropy(network(images[rows]), labels[rows])

    generator = torch.Generator().manual_seed(0)
    train_network(network, loss, 40, steps=20, batch_size=16, learning_rate=3e-3, generator=generator)
    assert not network.training
    assert float((network(images).argmax(-1) == labels).float().mean()) == 1.0
    torch.testing.assert_close(network(images[3:4]), network(images)[3:4])


def test_both_paths_of_a_reading_network_take_part_on_any_size():
    for shape in ((1, 4, 4), (3, 28, 28), (2, 17, 9)):
        network = reading_network(shape, 5, seed=1).eval()
        images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(network(images), network.where(images) + network.what(images))
        assert network(images).shape == (2, 5)
    moved = torch.zeros(1, 1, 32, 32)
    moved[..., 8:12, 8:12] = 9.0
    network = reading_network((1, 32, 32), 3, seed=1).eval()
    rolled = moved.roll((8, 8), (-2, -1))
    seen, places = ((half(rolled) - half(moved)).norm() for half in (network.what, network.where))
    assert seen < 0.5 * places  # all that it sees of places is where padding begins


def test_images_are_averaged_over_whole_blocks():
    images = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    small = shrink(images)
    assert small.shape == (2, 3, 32, 24)
    torch.testing.assert_close(small, images.reshape(2, 3, 32, 2, 24, 2).mean((3, 5)))
    assert shrink(images[..., :32, :32]) is not None and shrink(images[..., :32, :32]).shape == (2, 3, 32, 32)
    odd = shrink(torch.ones(1, 65, 65))
    assert odd.shape == (1, 22, 22)
    torch.testing.assert_close(odd, torch.ones_like(odd))  # the last block is smaller, and is not padded by black


def test_seeds_come_from_the_generator(generator):
    seeds = [draw_seed(generator) for _ in range(3)]
    assert len(set(seeds)) == 3
    assert draw_seed(torch.Generator(generator.device).manual_seed(0)) == seeds[0]
