"""From gradients to weights: timm's optimiser, schedule and moving average, set up from params."""

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
    """One optimiser with its schedule, and the moving average of the weights where one is asked for."""

    def __init__(self, classifier: Classifier, config: TrainConfig, steps_per_epoch: int) -> None:
        self._classifier, self._config = classifier, config
        self._weights = [weight for weight in classifier.parameters() if weight.requires_grad]
        groups = parameter_groups(classifier, config)
        fused = {"fused": True} if config.optimizer.name == "adamw" and self._weights[0].device.type != "mps" else {}
        try:
            self.optimizer = create_optimizer_v2(
                groups, config.optimizer.name, config.lr, config.optimizer.weight_decay, **fused
            )
        # timm passes on whatever the optimiser, or a package that it lacks, raises.
        except (ValueError, TypeError, RuntimeError, ImportError, AssertionError) as error:
            raise InputError(
                f"train.optimizer.name is {config.optimizer.name!r}, which timm cannot set up: {error}; adamw always "
                "works"
            ) from error
        self._schedule, _ = create_scheduler_v2(
            self.optimizer,
            sched=config.schedule.name,
            num_epochs=config.epochs,
            min_lr=config.schedule.min_lr,
            warmup_epochs=config.schedule.warmup_epochs,
            warmup_lr=min(config.schedule.min_lr, config.lr),
            step_on_epochs=False,
            updates_per_epoch=steps_per_epoch,
        )
        self._schedule.step_update(0)  # timm scales the rates of layers from its second step on only
        self._average = (
            ModelEmaV3(classifier, config.optimizer.ema_decay, use_warmup=True) if config.optimizer.ema_decay else None
        )
        self.steps = 0

    @property
    def lr(self) -> float:
        """Learning rate of the next step, of the layers that it is not scaled down for."""
        return max(group["lr"] for group in self.optimizer.param_groups)

    @property
    def best_guess(self) -> Classifier:
        """The classifier to validate and to save: the moving average where there is one."""
        return self._classifier if self._average is None else self._average.module

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on, the classifier's weights included."""
        return {
            "steps": self.steps,
            "weights": self._classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self._average is None else self._average.module.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.steps = state["steps"]
        self._classifier.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        # Laid out in memory as the weights are, or sums over them would round otherwise than without the interruption.
        for weight, moments in self.optimizer.state.items():
            for name, moment in moments.items():
                if torch.is_tensor(moment) and moment.shape == weight.shape:
                    moments[name] = torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
        self._schedule.step_update(self.steps)
        if self._average is not None:
            self._average.module.load_state_dict(state["average"])

    def step(self) -> Tensor:
        """Take one step along the gradients that have gathered, and clear them. Returns their L2 norm, a scalar."""
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self._config.optimizer.clip_norm or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self._schedule.step_update(self.steps)
        if self._average is not None:
            self._average.update(self._classifier, self.steps)
        return norm


def parameter_groups(classifier: Classifier, config: TrainConfig) -> list[dict]:
    """Trainable parameters in timm's groups.

    Weight decay is for matrices, not for biases, norms and what the backbone itself exempts, such as position
    embeddings and class tokens. With a layer decay, each layer of the backbone learns that much slower than the next.
    """
    decay = config.optimizer.weight_decay
    exempt = [set(getattr(backbone, "no_weight_decay", set)()) for backbone in classifier.backbones]
    if config.optimizer.layer_decay == 1:
        names = {f"backbones.{place}.{name}" for place, spared in enumerate(exempt) for name in spared}
        return param_groups_weight_decay(classifier, decay, no_weight_decay_list=names | {"fusion.embedding"})
    groups = []
    for backbone, spared in zip(classifier.backbones, exempt, strict=True):
        groups += param_groups_layer_decay(
            backbone, decay, no_weight_decay_list=spared, layer_decay=config.optimizer.layer_decay
        )
    groups += param_groups_weight_decay(classifier.fusion, decay, no_weight_decay_list={"embedding"})
    return [*groups, *param_groups_weight_decay(classifier.head, decay)]
