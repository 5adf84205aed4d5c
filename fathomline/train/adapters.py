"""LoRA: low-rank adapters on a frozen backbone's linear layers, through peft."""

import torch
from torch import Tensor, nn

from fathomline.errors import InputError
from fathomline.model.classifier import Classifier
from fathomline.train.config import TrainConfig


def add_adapters(classifier: Classifier, config: TrainConfig) -> None:
    """Freeze the backbones and put LoRA adapters (Hu et al., ICLR 2022) on each of their linear layers, in place.

    Raises InputError for a backbone without linear layers.
    """
    # 6 s of imports that only this branch needs
    from peft import LoraConfig, get_peft_model

    for place, backbone in enumerate(classifier.backbones):
        linear = [name for name, layer in backbone.named_modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise InputError(
                "train.lora.r: the backbone has no linear layer to adapt; choose a transformer, or set it to 0"
            )
        adapters = LoraConfig(
            r=config.lora.r, lora_alpha=config.lora.alpha, lora_dropout=config.lora.dropout, target_modules=linear
        )
        classifier.backbones[place] = get_peft_model(backbone, adapters)


def merge_adapters(classifier: Classifier) -> None:
    """Fold the adapters into the weights they adapt, in place, so that inference needs no peft."""
    for place, backbone in enumerate(classifier.backbones):
        if hasattr(backbone, "merge_and_unload"):
            classifier.backbones[place] = backbone.merge_and_unload()


def trainable_weights(classifier: nn.Module) -> tuple[int, int]:
    """How many weights learn, and how many there are."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in classifier.parameters()]
    return sum(size for size, learns in sizes if learns), sum(size for size, _ in sizes)


class AdapterGradients:
    """The gradients of adapters over the steps of an epoch, summed where they are computed."""

    def __init__(self, classifier: Classifier) -> None:
        self.adapters = [weight for name, weight in classifier.named_parameters() if ".lora_" in name]
        self.start()

    def start(self) -> None:
        """Forget the steps so far."""
        device = self.adapters[0].device if self.adapters else "cpu"
        self._steps = 0
        self._largest = torch.zeros((), device=device)
        self._norms = torch.zeros(len(self.adapters), device=device)
        self._whole = torch.zeros((), device=device)

    def note(self) -> None:
        """Take in the gradients of a step, before they are clipped and cleared."""
        if not self.adapters:
            return
        gradients = [weight.grad for weight in self.adapters]
        norms = torch.stack([gradient.norm() for gradient in gradients])
        largest = torch.stack([gradient.abs().amax() for gradient in gradients]).amax()
        self._steps += 1
        self._norms += norms
        self._whole += norms.norm()
        self._largest = torch.maximum(self._largest, largest)

    def means(self) -> Tensor:
        """(adapters,), the mean L2 norm of the gradient of each adapter matrix."""
        return self._norms / max(self._steps, 1)

    def summary(self) -> tuple[float, float] | tuple[None, None]:
        """The mean L2 norm of the gradient of all adapters, and the largest element of one; None without adapters."""
        if not self.adapters:
            return None, None
        return (self._whole / max(self._steps, 1)).item(), self._largest.item()
