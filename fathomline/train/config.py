"""The `train` section of params."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from fathomline.config import section


@section
class TrainConfig:
    backbone: Annotated[str, MinLen(1)]
    """Name of a timm model, as `timm.list_models()` gives them."""

    backbone_options: dict[str, str | int | float | bool]
    """Further keyword arguments of the timm model, for example `{pad_type: same}`; {} for none."""

    drop_path: Annotated[float, Interval(ge=0, lt=1)]
    """Stochastic depth: share of the ROIs for which a residual block is skipped, growing up to this in the last one."""

    gradient_checkpointing: bool
    """Recompute activations instead of keeping them: a third slower, in a fraction of the memory. Batch norms then
    count each batch twice in their running statistics."""

    pretrained: bool | str
    """true: timm's weights from the model hub; false: random weights; or the path of a weights file."""

    normalization: Literal["backbone", "imagenet", "half"]
    """Mean and standard deviation of the input: those of the backbone, ImageNet's, or 0.5 for all channels."""

    image_size: Annotated[int, Interval(ge=16, le=1024)]
    """Side of the model's input, in pixels; at most crop.size."""

    fusion: Literal["concat", "attention"]
    """How the features of several views are combined before the classifier: concatenated, or fused by
    self-attention."""

    separate_backbones: bool
    """A separate backbone for each view, instead of one that sees every view; all start from the same
    pretrained weights."""

    frozen: bool
    """Leave the backbone's weights as they are: features are computed once, kept in cache/features/, and only the head
    is trained. Parameters that act on the backbone, such as `drop_path` and `layer_decay`, then have no effect."""

    frozen_copies: Annotated[int, Interval(ge=0, le=1000)]
    """For `frozen`: the number of augmented copies of each ROI to compute features for; 0: the ROI as it is."""

    folds: Annotated[list[Annotated[int, Ge(0)]], MinLen(1)]
    """Folds to hold out, one model for each; numbers below split.folds."""

    epochs: Annotated[int, Ge(1)]
    """Passes over the training ROIs."""

    batch_size: Annotated[int, Ge(2)]
    """ROIs per step."""

    accumulation: Annotated[int, Ge(1)]
    """Split each batch into this many parts, computed one after the other to save memory; the step is still that of the
    whole batch."""

    optimizer: Annotated[str, MinLen(1)]
    """Name of a timm optimiser, as `timm.optim.list_optimizers()` gives them."""

    lr: Annotated[float, Gt(0)]
    """Peak learning rate."""

    min_lr: Annotated[float, Ge(0)]
    """Learning rate at the end of the schedule and at the start of the warm-up."""

    schedule: Literal["cosine", "tanh", "poly"]
    """How the learning rate falls, updated every step: timm's schedules."""

    warmup_epochs: Annotated[float, Ge(0)]
    """Epochs over which the learning rate rises to its peak; 0 for none."""

    weight_decay: Annotated[float, Ge(0)]
    """Weight decay, applied to matrices only."""

    layer_decay: Annotated[float, Interval(gt=0, le=1)]
    """Learning rate of each layer of the backbone as a share of the next layer's; 1: the same for all."""

    clip_norm: Annotated[float, Ge(0)]
    """Largest L2 norm of the gradient; a longer one is scaled down to it. 0: no clipping."""

    ema_decay: Annotated[float, Interval(ge=0, lt=1)]
    """Decay per step of the moving average of the weights, which is then validated and saved in their place; 0: no
    average."""

    patience: Annotated[int, Ge(0)]
    """Epochs without a better validation MHD after which training stops; 0: never."""

    min_delta: Annotated[float, Ge(0)]
    """By how much the MHD must fall to count as better, for `patience`."""

    select_on: Literal["plain", "degraded"]
    """The view of the held-out ROIs whose MHD chooses the epoch; evaluate fits its decision rule on it and reports it
    first."""

    degraded_size: Annotated[float, Gt(0)] | None
    """The degraded view scales all frames down until the ROIs' median √(width · height) is this many pixels: that of
    the ROIs to be labelled, which `crop test` prints. null: no degraded view."""

    cross_entropy: Annotated[float, Ge(0)]
    """Weight of the cross-entropy in the loss."""

    expected_distance: Annotated[float, Ge(0)]
    """Weight of the expected hierarchical distance, Σ_c p(c)·D(c, truth), in the loss."""

    rank_loss: Annotated[float, Ge(0)]
    """Weight of the cross-entropy on probabilities summed by clade, averaged over the truth's ranks from phylum
    down."""

    label_smoothing: Annotated[float, Interval(ge=0, lt=1)]
    """Share of each label spread over all classes, in the cross-entropy."""

    class_balance: Annotated[float, Interval(ge=0, le=1)]
    """Weight each ROI by the frequency of its concept to the power of minus this: 0 treats all ROIs alike, 1 all
    concepts alike."""

    min_crop: Annotated[float, Interval(gt=0, le=1)]
    """Augmentation: smallest side of the random crop as a share of the stored view; 1 for no crop."""

    horizontal_flip: bool
    """Augmentation: mirror half of the ROIs left to right."""

    vertical_flip: bool
    """Augmentation: mirror half of the ROIs top to bottom."""

    quarter_turns: bool
    """Augmentation: rotate ROIs by 0, 90, 180 or 270 degrees; with a flip too, all eight orientations occur."""

    rotation: Annotated[float, Interval(ge=0, le=180)]
    """Augmentation: rotate each ROI by up to this many degrees either way."""

    color_jitter: Annotated[float, Interval(ge=0, lt=1)]
    """Augmentation: change saturation, contrast and brightness by up to this share."""

    blur: Annotated[float, Interval(ge=0, le=1)]
    """Augmentation: share of the ROIs that are blurred, by up to 2 pixels."""

    degradation: Annotated[float, Interval(ge=0, le=1)]
    """Augmentation: share of the ROIs whose frame is scaled down, by one factor from U(0.01, 1) for all views. A view
    loses detail only where fewer pixels of the frame remain than `image_size`, so a small box keeps few and the frame
    around it many."""

    erasing: Annotated[float, Interval(ge=0, le=1)]
    """Augmentation: share of the ROIs in which a rectangle of up to a fifth of the area is erased."""

    mixup: Annotated[float, Ge(0)]
    """Alpha of mixup, which blends each ROI with another of its batch; 0: none."""

    cutmix: Annotated[float, Ge(0)]
    """Alpha of CutMix, which pastes in a part of another ROI; with `mixup` as well, each batch gets one of the two.
    0: none."""

    lora: bool
    """Train low-rank adapters on the backbone's linear layers, and the head, instead of the whole backbone."""

    lora_r: Annotated[int, Ge(1)]
    """Rank of the adapters."""

    lora_alpha: Annotated[float, Gt(0)]
    """Scale of the adapters: their output is multiplied by lora_alpha / lora_r."""

    lora_dropout: Annotated[float, Interval(ge=0, lt=1)]
    """Dropout before the adapters."""

    precision: Literal["bf16", "fp32"]
    """Precision of the forward pass on CUDA, in training and prediction; CPU and MPS compute in fp32."""

    compile: bool
    """Compile the model with torch.compile on CUDA."""

    seed: Annotated[int, Interval(ge=0, lt=2**32)]
    """Seed of weights, order and augmentation."""

    def __post_init__(self) -> None:
        if self.cross_entropy == self.expected_distance == self.rank_loss == 0:
            raise ValueError("`cross_entropy`, `expected_distance` and `rank_loss` are all 0; one must be above")
        if self.min_lr > self.lr:
            raise ValueError(f"`min_lr` is {self.min_lr}, above `lr`, {self.lr}; the schedule goes down")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"`warmup_epochs` is {self.warmup_epochs}, expected less than `epochs`, {self.epochs}")
        if 2 * self.accumulation > self.batch_size:
            raise ValueError(
                f"`accumulation` is {self.accumulation}, above half of `batch_size`, {self.batch_size}: batch norm "
                "needs two ROIs at once"
            )
        if self.lora and self.layer_decay != 1:
            raise ValueError(
                f"`layer_decay` is {self.layer_decay}, but adapters have no layers to tell apart; set it to 1"
            )
        if self.select_on == "degraded" and self.degraded_size is None:
            raise ValueError("`select_on` is degraded, but `degraded_size` is null; set it to the size to expect")
        for name in ("lora", "cutmix"):
            if self.frozen and getattr(self, name):
                raise ValueError(f"`frozen` is true, which leaves no use for `{name}`; switch one of the two off")
        if len(set(self.folds)) != len(self.folds):
            raise ValueError(f"`folds` is {self.folds}; name each fold once")
