"""LoRA: low-rank adapters on a frozen backbone's linear layers, through peft."""

import torch
from torch import Tensor, nn

from fathomline.errors import InputError
from fathomline.model.classifier import Classifier
from fathomline.train.config import TrainConfig

# peft is imported where it is used: importing it takes 6 s.


def add_adapters(classifier: Classifier, config: TrainConfig) -> None:
    """Freeze the backbones and add LoRA adapters (Hu et al., ICLR 2022) to each of their linear layers, in place.

    Raises InputError for a backbone without linear layers.
    """
    from peft import LoraConfig, get_peft_model

    for place, backbone in enumerate(classifier.backbones):
        linear = [name for name, layer in backbone.named_modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise InputError(
                f"train.lora.r is {config.lora.r}, but {config.backbone} has no linear layer to adapt; choose a "
                "transformer as train.backbone, or set train.lora.r to 0"
            )
        adapters = LoraConfig(
            r=config.lora.r,
            lora_alpha=config.lora.alpha,  # type: ignore[arg-type]  # peft only divides it by r
            lora_dropout=config.lora.dropout,
            target_modules=linear,
        )
        classifier.backbones[place] = get_peft_model(backbone, adapters)


def merge_adapters(classifier: Classifier) -> None:
    """Add the adapters' products to the weights they adapt, in place, so that inference does not need peft."""
    from peft import PeftModel

    for place, backbone in enumerate(classifier.backbones):
        if isinstance(backbone, PeftModel):
            classifier.backbones[place] = backbone.merge_and_unload()


def count_weights(classifier: nn.Module) -> tuple[int, int]:
    """The number of trainable weights and of all weights."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in classifier.parameters()]
    return sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)


class AdapterGradients:
    """Statistics of the adapters' gradients over the steps of an epoch, accumulated on the device."""

    def __init__(self, classifier: nn.Module) -> None:
        self.adapters = [weight for name, weight in classifier.named_parameters() if ".lora_" in name]
        self.reset()

    def reset(self) -> None:
        """Start a new epoch."""
        device = self.adapters[0].device if self.adapters else "cpu"
        self._steps = 0
        self._largest = torch.zeros((), device=device)
        self._norms = torch.zeros(len(self.adapters), device=device)
        self._total_norm = torch.zeros((), device=device)

    def record(self) -> None:
        """Add the gradients of a step. Call this before they are clipped and cleared."""
        gradients = [weight.grad for weight in self.adapters if weight.grad is not None]
        if not gradients:
            return
        norms = torch.stack([gradient.norm() for gradient in gradients])
        largest = torch.stack([gradient.abs().amax() for gradient in gradients]).amax()
        self._steps += 1
        self._norms += norms
        self._total_norm += norms.norm()
        self._largest = torch.maximum(self._largest, largest)

    def mean_norms(self) -> Tensor:
        """(adapters,), the mean L2 norm of each adapter matrix's gradient."""
        return self._norms / max(self._steps, 1)

    def summary(self) -> tuple[float, float] | tuple[None, None]:
        """The mean L2 norm of the gradient of all adapters, and its largest element; None without adapters."""
        if not self.adapters:
            return None, None
        return (self._total_norm / max(self._steps, 1)).item(), self._largest.item()
