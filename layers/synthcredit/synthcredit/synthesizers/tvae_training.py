"""Training of `tvae`.

The networks are the library's own (`ctgan.synthesizers.tvae.Encoder` and `Decoder`), and so is the loss: Gaussian for
the values, with a deviation that is learned, cross-entropy for the choices, both twice as heavy as the divergence of
the latent variables; Adam with weight decay. The gradient of the loss by the decoder's outputs is written out, for all
columns at once, and batches are cut from compact rows, where the library puts each batch together row by row.

`tests/unit/synthesizers/test_tvae_training.py` holds that gradients equal those of the library's code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ctgan.synthesizers.tvae import Decoder, Encoder
from numpy.typing import NDArray

from synthcredit.randomness import generator
from synthcredit.synthesizers import neural
from synthcredit.synthesizers.ctgan_encoding import Rows
from synthcredit.synthesizers.ctgan_network import Network
from synthcredit.synthesizers.ctgan_scoring import Scorer
from synthcredit.synthesizers.ctgan_training import Batches, Softmax

NOISE = 128
HIDDEN = (128, 128)
DECAY = 1e-5
FACTOR = 2
NARROWEST, WIDEST = 0.01, 1.0

Tensor = torch.Tensor


class TvaeTraining:
    """An encoder and a decoder in training; see `neural.Training`.

    Parameters
    ----------
    rows
        The encoded training rows.
    batch
        Rows of a step.
    seed
        The fit's.
    device
        Where to compute.
    scorer
        Says how good a network is.
    """

    def __init__(self, rows: Rows, batch: int, seed: int, device: torch.device, scorer: Scorer) -> None:
        self._count, self._batch, self._seed, self._device, self._scorer = len(rows), batch, seed, device, scorer
        self._layout = rows.layout
        self._batches = Batches(rows, device)
        self._softmax = Softmax(rows.layout.spans, device)
        self.encoder = Encoder(rows.layout.outputs, HIDDEN, NOISE).to(device)
        self.decoder = Decoder(NOISE, HIDDEN, rows.layout.outputs).to(device)
        self._of_encoder = neural.Adam(self.encoder, decay=DECAY)
        self._of_decoder = neural.Adam(self.decoder, decay=DECAY)
        self._order: tuple[int, NDArray[np.intp]] = (-1, np.empty(0, dtype=np.intp))
        self._encoder_alone = 0
        self._loss = torch.zeros(())

    @staticmethod
    def epoch_steps(rows: int, batch: int) -> int:
        """Return the steps of an epoch: every row once, the last batch may be small."""
        return -(-rows // batch)

    def step(self, number: int) -> None:
        """Learn from one batch."""
        epoch, place = divmod(number, self.epoch_steps(self._count, self._batch))
        if self._order[0] != epoch:
            self._order = epoch, generator(self._seed, "tvae/epoch", epoch).permutation(self._count)
        picked = self._order[1][place * self._batch : (place + 1) * self._batch]
        noise = neural.noise_for(generator(self._seed, "tvae/step", number), self._device)
        real = self._batches.one_hot(torch.from_numpy(picked))
        drawn = torch.randn((len(real), NOISE), generator=noise, device=self._device)
        self._of_encoder.zero_grad()
        self._of_decoder.zero_grad()
        self._loss = self.learn(real, drawn)
        self._of_encoder.step()
        if number >= self._encoder_alone:
            self._of_decoder.step()
            with torch.no_grad():
                self.decoder.sigma.clamp_(NARROWEST, WIDEST)

    def learn(self, real: Tensor, drawn: Tensor) -> Tensor:
        """Set the gradients of both networks; return the loss.

        Parameters
        ----------
        real
            Shape (n, outputs). Rows as one-hot choices and values.
        drawn
            Shape (n, NOISE). Standard normal.
        """
        seen = self.encoder.seq(real)
        mean, log_variance = self.encoder.fc1(seen), self.encoder.fc2(seen)
        with torch.no_grad():
            deviation = torch.exp(0.5 * log_variance)
            latent = torch.addcmul(mean, drawn, deviation)
        raw = self.decoder.seq(latent.requires_grad_())
        loss, gradient, of_sigma = self._likelihood(raw.detach(), real)
        raw.backward(gradient)
        self.decoder.sigma.grad = of_sigma
        # The divergence is -1/2 the mean of 1 + log variance - mean^2 - variance, summed over the latent variables.
        with torch.no_grad():
            variance = deviation**2
            of_latent = latent.grad
            assert of_latent is not None  # noqa: S101 - by the step backwards
            of_variance = 0.5 * (of_latent * drawn * deviation + (variance - 1) / len(real))
            of_mean = of_latent + mean / len(real)
            divergence: Tensor = -0.5 * (1 + log_variance - mean**2 - variance).sum() / len(real)
        torch.autograd.backward([mean, log_variance], [of_mean, of_variance])
        return loss + divergence

    @torch.no_grad()
    def _likelihood(self, raw: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of what was decoded, and its gradients by the outputs and by the deviations."""
        tanh, weight = self._layout.tanh, FACTOR / len(raw)
        values, sigma = torch.tanh(raw[:, :tanh]), self.decoder.sigma[:tanh]
        wrong = real[:, :tanh] - values
        chances = self._softmax(raw[:, tanh:])
        of_values = -wrong / sigma**2 * (1 - values**2)
        gradient = torch.cat([of_values, chances - real[:, tanh:]], dim=1) * weight
        of_sigma = torch.zeros_like(self.decoder.sigma)
        of_sigma[:tanh] = (len(raw) / sigma - (wrong**2).sum(0) / sigma**3) * weight
        loss = (wrong**2 / (2 * sigma**2)).sum() + sigma.log().sum() * len(raw)
        if self._layout.spans:
            loss -= self._softmax.sums(chances * real[:, tanh:]).clamp_min(1e-30).log().sum()
        return loss * weight, gradient, of_sigma

    def warm_start(self, network: Network, steps: int) -> None:
        """Begin with a decoder that was trained before; at first, only a new encoder learns, to fit to it.

        Parameters
        ----------
        network
            As `network` exported it.
        steps
            Steps that are planned; the encoder is alone for half of them, 300 at most.
        """
        first, second, last = (self.decoder.seq[place] for place in (0, 2, 4))
        ends = np.cumsum(HIDDEN)
        weights = np.split(network.direct[:, :NOISE], ends)[0], network.hidden0[: HIDDEN[1]], network.hidden1
        biases = np.split(network.direct[:, NOISE], ends)
        with torch.no_grad():
            for layer, weight, bias in zip((first, second, last), weights, biases, strict=True):
                layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
                layer.bias.copy_(torch.from_numpy(bias))
        self._encoder_alone = min(steps // 2, 300)

    def tensors(self) -> dict[str, Tensor]:
        """Return both networks and their optimisers."""
        optimisers = {"of_encoder": self._of_encoder, "of_decoder": self._of_decoder}
        return neural.tensors_of({"encoder": self.encoder, "decoder": self.decoder, **optimisers})

    def candidate(self) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return the score of the decoder as it is, and its arrays, not yet calibrated."""
        network = self.network()
        sigma = self.decoder.sigma.detach().cpu().numpy()[: self._layout.tanh].astype(np.float64)
        return self._scorer.score(network, sigma), {**network.arrays(), "noise": sigma}

    def network(self) -> Network:
        """Take the decoder out of torch."""
        first, second, last = (self.decoder.seq[place] for place in (0, 2, 4))
        weights = [_floats(layer.weight) for layer in (first, second, last)]
        biases = [_floats(layer.bias) for layer in (first, second, last)]
        direct = np.zeros((sum(map(len, biases)), NOISE + 1), dtype=np.float32)
        direct[: HIDDEN[0], :NOISE] = weights[0]
        direct[:, NOISE] = np.concatenate(biases)
        hidden0 = np.zeros((len(direct) - HIDDEN[0], HIDDEN[0]), dtype=np.float32)
        hidden0[: HIDDEN[1]] = weights[1]
        return Network(direct=direct, hidden0=hidden0, hidden1=weights[2], chances=np.ones(1), given=None)

    def told(self) -> str:
        """Return the last loss in words."""
        return f"loss {float(self._loss):.2f}"


def _floats(tensor: Tensor) -> NDArray[np.float32]:
    return np.array(tensor.detach().cpu().numpy())
