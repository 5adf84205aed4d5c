"""The `train` section of params."""

from dataclasses import field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from fathomline.config import section
from fathomline.errors import InputError

Share = Annotated[float, Interval(ge=0, le=1)]

FROZEN_AND_RANDOM = (
    "train.frozen is true and train.pretrained is false, so the head learns from the features of random weights; set "
    "train.pretrained: true, or the path of a weights file, for features that tell animals apart"
)


@section
class OptimizerConfig:
    name: Annotated[str, MinLen(1)] = "adamw"
    """Name of a timm optimizer, as `timm.optim.list_optimizers()` lists them."""

    weight_decay: Annotated[float, Ge(0)] = 0.05
    """Weight decay, applied to matrices only."""

    layer_decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Learning rate of each layer of the backbone as a share of the next layer's; 1: the same for all."""

    clip_norm: Annotated[float, Ge(0)] = 0.0
    """Largest L2 norm of the gradient, which is scaled down to it; 0: no clipping."""

    ema_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Decay per step of the moving average of the weights; 0: no average. The average is then validated and saved in
    place of the weights."""


@section
class ScheduleConfig:
    name: Literal["cosine", "tanh", "poly"] = "cosine"
    """How the learning rate falls, step by step: one of timm's schedules."""

    min_lr: Annotated[float, Ge(0)] = 1e-6
    """Learning rate at the end of the schedule and at the start of the warm-up."""

    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    """Epochs over which the learning rate rises to its peak; 0: no warm-up."""


@section
class ValidationConfig:
    select_on: Literal["plain", "degraded"] = "plain"
    """View of the held-out ROIs whose MHD chooses the epoch. Evaluate fits its decision rule on this view and reports
    it first."""

    degraded_size: Annotated[float, Gt(0)] | None = 49.0
    """Median √(width · height) of the ROIs in the degraded view, in pixels; null: no degraded view. All frames are
    scaled down to reach it. Choose the size of the ROIs to be labelled, which the stage `crop@test` prints."""

    patience: Annotated[int, Ge(0)] = 0
    """Epochs without a better validation MHD after which training stops; 0: never."""

    min_delta: Annotated[float, Ge(0)] = 0.0
    """By how much the MHD must fall to count as better, for `patience`."""


@section
class LossConfig:
    cross_entropy: Annotated[float, Ge(0)] = 1.0
    """Weight of the cross-entropy."""

    expected_distance: Annotated[float, Ge(0)] = 0.1
    """Weight of the expected hierarchical distance, Σ_c p(c)·D(c, truth)."""

    rank_cross_entropy: Annotated[float, Ge(0)] = 0.0
    """Weight of the cross-entropy on probabilities summed by clade. It is averaged over the truth's ranks from phylum
    down."""

    label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Share of each label spread over all classes, in the cross-entropy."""

    class_balance: Share = 0.0
    """Weight each ROI by 1 / (frequency of its concept) to this power. 0 treats all ROIs alike, 1 all concepts."""

    def __post_init__(self) -> None:
        if self.cross_entropy == self.expected_distance == self.rank_cross_entropy == 0:
            raise ValueError(
                "`cross_entropy`, `expected_distance` and `rank_cross_entropy` are all 0; raise one of them"
            )


@section
class AugmentConfig:
    min_crop: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """Smallest side of the random crop as a share of the stored view; 1: no crop."""

    horizontal_flip: bool = True
    """Mirror half of the ROIs left to right."""

    vertical_flip: bool = True
    """Mirror half of the ROIs top to bottom."""

    quarter_turns: bool = False
    """Rotate ROIs by 0, 90, 180 or 270 degrees. Together with a flip, all eight orientations occur."""

    rotation: Annotated[float, Interval(ge=0, le=180)] = 0.0
    """Rotate each ROI by up to this many degrees either way."""

    color_jitter: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Change saturation, contrast and brightness by up to this share."""

    blur: Share = 0.0
    """Share of the ROIs that are blurred, by up to 2 pixels."""

    degradation: Share = 0.0
    """Share of the ROIs whose frame is scaled down, by one factor from U(0.01, 1) for all views. A view loses detail
    only where fewer pixels of the frame remain than `image_size`: a small box keeps few, and the frame around it
    many."""

    erasing: Share = 0.0
    """Share of the ROIs in which a rectangle of up to a fifth of the area is erased."""

    mixup: Annotated[float, Ge(0)] = 0.0
    """Alpha of mixup, which blends each ROI with another of its batch; 0: none."""

    cutmix: Annotated[float, Ge(0)] = 0.0
    """Alpha of CutMix, which pastes in a part of another ROI; 0: none. With `mixup` as well, each batch gets one of the
    two."""


@section
class LoraConfig:
    r: Annotated[int, Ge(0)] = 0
    """Rank of the low-rank adapters (LoRA) on the backbone's linear layers; 0: no adapters. With adapters, only they
    and the head are trained."""

    alpha: Annotated[float, Gt(0)] = 16.0
    """Scale of the adapters, whose output is multiplied by alpha / r."""

    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Dropout before the adapters."""


@section
class TrainConfig:
    backbone: Annotated[str, MinLen(1)] = "test_convnext"
    """Name of a timm model, as `timm.list_models()` lists them."""

    backbone_options: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Further keyword arguments of the timm model, such as `{pad_type: same}`; {}: none."""

    pretrained: bool | str = False
    """true: timm's weights from the model hub; false: random weights; or the path of a weights file."""

    normalization: Literal["backbone", "imagenet", "half"] = "half"
    """Mean and standard deviation of the input: those of the backbone, ImageNet's, or 0.5 for each channel."""

    image_size: Annotated[int, Interval(ge=16, le=1024)] = 64
    """Side of the model's input, in pixels; at most crop.size."""

    drop_path: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Stochastic depth: share of the ROIs for which the last residual block is skipped; earlier blocks skip fewer."""

    gradient_checkpointing: bool = False
    """Recompute activations instead of storing them: a third slower, in a fraction of the memory. Batch norms then
    count each batch twice in their running statistics."""

    fusion: Literal["concat", "attention"] = "concat"
    """How the features of several views are combined: concatenated, or fused by self-attention."""

    separate_backbones: bool = False
    """A separate backbone for each view, instead of one for all views. All start from the same pretrained weights."""

    frozen: bool = False
    """Train only the head, on features of the backbone that are computed once. They are kept in cache/features/.
    Parameters that act on the backbone, such as `drop_path` and `layer_decay`, then have no effect."""

    frozen_copies: Annotated[int, Interval(ge=0, le=1000)] = 8
    """With `frozen`, augmented copies of each ROI to compute features for; 0: the ROI as it is."""

    epochs: Annotated[int, Ge(1)] = 40
    """Passes over the training ROIs."""

    batch_size: Annotated[int, Ge(2)] = 64
    """ROIs per step."""

    accumulation: Annotated[int, Ge(1)] = 1
    """Parts of a batch, computed one after the other to save memory. The step is still that of the whole batch."""

    lr: Annotated[float, Gt(0)] = 0.004
    """Peak learning rate."""

    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimizer."""

    schedule: ScheduleConfig = ScheduleConfig()
    """The schedule of the learning rate."""

    validation: ValidationConfig = ValidationConfig()
    """How the best epoch is chosen."""

    loss: LossConfig = LossConfig()
    """The loss, a weighted sum."""

    augment: AugmentConfig = AugmentConfig()
    """Random changes to the training ROIs."""

    lora: LoraConfig = LoraConfig()
    """Low-rank adapters."""

    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of the forward pass on CUDA, in training and prediction; CPU and MPS compute in fp32."""

    compile: bool = False
    """Compile the model with torch.compile on CUDA. Not worth the minutes for a small model."""

    seed: Annotated[int, Interval(ge=0, lt=2**32)] = 0
    """Seed of weights, order and augmentation."""

    def __post_init__(self) -> None:
        if self.schedule.min_lr > self.lr:
            raise ValueError(
                f"`schedule.min_lr` is {self.schedule.min_lr}, above `lr`, {self.lr}; lower it, as the rate must fall"
            )
        if self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"`schedule.warmup_epochs` is {self.schedule.warmup_epochs}, expected less than `epochs`, {self.epochs}"
            )
        if 2 * self.accumulation > self.batch_size:
            raise ValueError(
                f"`accumulation` is {self.accumulation}, above half of `batch_size`, {self.batch_size}; lower it: "
                "batch norm needs two ROIs in each part"
            )
        if self.lora.r and self.optimizer.layer_decay != 1:
            raise ValueError(
                f"`optimizer.layer_decay` is {self.optimizer.layer_decay}, but it does not apply to adapters, which "
                "`lora.r` turns on; set it to 1"
            )
        if self.validation.select_on == "degraded" and self.validation.degraded_size is None:
            raise ValueError(
                "`validation.select_on` is degraded, but `validation.degraded_size` is null; set it to the size of the "
                "ROIs to be labelled"
            )
        unused = {"lora.r": self.lora.r, "augment.cutmix": self.augment.cutmix}
        for name, value in unused.items():
            if self.frozen and value:
                raise ValueError(
                    f"`frozen` is true, so `{name}` would have no effect; set one of the two to its default"
                )


def refuse_small_views(image_size: int, stored: int) -> None:
    """Raise InputError if the model's input, `train.image_size`, is larger than the views that crop stored."""
    if image_size > stored:
        raise InputError(
            f"train.image_size is {image_size}, above crop.size, {stored}: raise crop.size or lower train.image_size"
        )
