"""timm's optimizer, learning rate schedule and moving average of the weights, set up from params."""

import math
from typing import Any

import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from torch import Tensor

from fathomline.errors import InputError
from fathomline.model.classifier import Classifier
from fathomline.train.config import TrainConfig


class Optimization:
    """An optimizer, its schedule, and the moving average of the weights if `train.optimizer.ema_decay` is set."""

    def __init__(self, classifier: Classifier, config: TrainConfig, steps_per_epoch: int) -> None:
        self._classifier, self._config = classifier, config
        self._weights = [weight for weight in classifier.parameters() if weight.requires_grad]
        groups = parameter_groups(classifier, config)
        can_fuse = config.optimizer.name == "adamw" and self._weights[0].device.type != "mps"
        options: dict[str, Any] = {"fused": True} if can_fuse else {}
        try:
            self.optimizer = create_optimizer_v2(
                groups, config.optimizer.name, config.lr, config.optimizer.weight_decay, **options
            )
        # timm lets through whatever an optimizer or a missing package raises.
        except (ValueError, TypeError, RuntimeError, ImportError, AssertionError) as error:
            raise InputError(
                f"train.optimizer.name is {config.optimizer.name!r}, which timm cannot set up: {error}; choose "
                "another one, such as adamw"
            ) from error
        self._schedule, _ = create_scheduler_v2(
            self.optimizer,
            sched=config.schedule.name,
            num_epochs=config.epochs,
            min_lr=config.schedule.min_lr,
            warmup_epochs=config.schedule.warmup_epochs,  # type: ignore[arg-type]  # timm only multiplies it
            warmup_lr=min(config.schedule.min_lr, config.lr),
            step_on_epochs=False,
            updates_per_epoch=steps_per_epoch,
        )
        self._schedule.step_update(0)  # otherwise timm's first step ignores the layer decay
        self._average = (
            ModelEmaV3(classifier, config.optimizer.ema_decay, use_warmup=True) if config.optimizer.ema_decay else None
        )
        self.steps = 0

    @property
    def lr(self) -> float:
        """Learning rate of the next step, without layer decay."""
        return max(group["lr"] for group in self.optimizer.param_groups)

    @property
    def averaged(self) -> Classifier:
        """The classifier to validate and to save: the moving average if there is one, otherwise the classifier."""
        return self._classifier if self._average is None else self._average.module

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on, including the classifier's weights."""
        return {
            "steps": self.steps,
            "weights": self._classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self._average is None else self._average.module.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what `state` returned."""
        self.steps = state["steps"]
        self._classifier.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        # With the memory layout of the weights: in another one, sums would round differently than without the
        # interruption.
        for weight, moments in self.optimizer.state.items():
            for name, moment in moments.items():
                if torch.is_tensor(moment) and moment.shape == weight.shape:
                    moments[name] = torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
        self._schedule.step_update(self.steps)
        if self._average is not None:
            self._average.module.load_state_dict(state["average"])

    def step(self) -> Tensor:
        """Take one step along the accumulated gradients and clear them.

        Returns their L2 norm before clipping, a scalar.
        """
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self._config.optimizer.clip_norm or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self._schedule.step_update(self.steps)
        if self._average is not None:
            self._average.update(self._classifier, self.steps)
        return norm


def parameter_groups(classifier: Classifier, config: TrainConfig) -> list[dict[str, Any]]:
    """Trainable parameters in timm's groups.

    Weight decay applies to matrices, but not to biases, norms and what the backbone itself exempts, such as position
    embeddings and class tokens. With a layer decay, the learning rate of each layer of the backbone is that share of
    the next layer's.
    """
    decay = config.optimizer.weight_decay
    exempt = [set(getattr(backbone, "no_weight_decay", set)()) for backbone in classifier.backbones]
    if config.optimizer.layer_decay == 1:
        names = {f"backbones.{place}.{name}" for place, exempted in enumerate(exempt) for name in exempted}
        return param_groups_weight_decay(classifier, decay, no_weight_decay_list=names | {"fusion.embedding"})
    groups: list[dict[str, Any]] = []
    for backbone, names in zip(classifier.backbones, exempt, strict=True):
        groups += param_groups_layer_decay(
            backbone, decay, no_weight_decay_list=names, layer_decay=config.optimizer.layer_decay
        )
    groups += param_groups_weight_decay(classifier.fusion, decay, no_weight_decay_list={"embedding"})
    return [*groups, *param_groups_weight_decay(classifier.head, decay)]
