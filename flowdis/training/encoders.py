"""An encoder for a decoder that came without: learned from images that the decoder makes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from flowdis._checks import check_positive
from flowdis.models import CodeDensity, ConvEncoder, LatentFlow

__all__ = ["fit_encoder"]


def fit_encoder(
    model: LatentFlow,
    density: CodeDensity,
    *,
    steps: int = 2000,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    hidden: int = 256,
    seed: int = 0,
    quiet: bool = False,
) -> ConvEncoder:
    r"""Learns the posterior of codes given images, by the codes of images that the decoder makes.

    .. math:: \min_q \; - E_{z \sim p} \log q(z | x(z))

    whose minimum over all q is the true posterior. It knows the decoder's images, and is as good on others as these
    are like them.

    Arguments:
        model: The model whose decoder is inverted; it is left as it is.
        density: Where codes live.
        steps: Steps of Adam, its rate falling to 0.
        batch_size: Images in a step.
        learning_rate: The rate at the start.
        hidden: The width of the encoder's hidden layer.
        seed: The seed of weights and codes.
        quiet: Whether to show no progress bar.

    Raises:
        ValueError: if a number is not positive.

    Reference: Hinton et al. 1995, The wake-sleep algorithm for unsupervised neural networks, Science 268: the sleep
    phase.
    """
    for name, number in (("steps", steps), ("batch_size", batch_size), ("learning_rate", learning_rate)):
        check_positive(name, number)
    source = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = ConvEncoder(model.image_shape, model.dim, hidden=hidden)
    encoder: ConvEncoder = made.to(device=model.device, dtype=model.dtype)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    bar: tqdm[Any] = tqdm(range(steps), desc="encoder", unit="step", disable=quiet)
    for _ in bar:
        z = density.sample(batch_size, source).to(device=model.device, dtype=model.dtype)
        with torch.no_grad():
            images = model.decode(z)
        loss = -encoder(images).log_density(z).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        bar.set_postfix_str(f"{float(loss.detach()):.2f} nats", refresh=False)
    return encoder.eval().requires_grad_(False)
