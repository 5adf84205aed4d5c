"""Load a bundle, or an ONNX file made from one, with the engine that suits this machine."""

import os
import platform
import shutil
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import get_args

from fathomline.bundle.bundle import ONNX_FILE, BundleContent, read_bundle
from fathomline.bundle.source import local_bundle
from fathomline.bundle.zipped import cache_folder
from fathomline.errors import InputError, shown
from fathomline.extras import missing_packages
from fathomline.files import read_json
from fathomline.predictor.engine import EXPORT_PACKAGES, TORCH_PACKAGES, Engine, EngineName
from fathomline.predictor.predictor import Predictor
from fathomline.progress import warning
from fathomline.taxonomy.tree import Taxonomy
from fathomline.version import __version__

INSTALL_TORCH = "`pip install 'fathomline[torch]'`"
INSTALL_EXPORT = "`pip install 'fathomline[torch,onnx]'`"


def load_predictor(source: str | PathLike[str], engine: EngineName = "auto") -> Predictor:
    """Load the bundle at `source`: a folder, a .zip, hf://owner/name[@revision] or an ONNX file; see `fathomline.load`.

    `auto` is torch if it is installed and can use a GPU, otherwise onnx if the bundle has an ONNX file, otherwise
    torch. `onnx` exports a bundle without an ONNX file once, to the user's cache, which needs torch.

    Raises InputError if the bundle is missing or damaged, or if a package or file that the engine needs is missing.
    """
    if engine not in get_args(EngineName):
        raise InputError(f"engine is {shown(engine)}, expected auto, onnx or torch")
    if not isinstance(source, str | PathLike):
        raise InputError(f"the bundle is {shown(source)}, expected its path")
    path = local_bundle(os.fspath(source))
    if path.suffix.lower() == ".onnx" and not path.is_dir():
        return _from_onnx_file(path, engine)
    bundle, taxonomy = read_bundle(path)
    return Predictor(bundle, taxonomy, _engine(path, bundle, taxonomy, engine))


def _from_onnx_file(path: Path, engine: EngineName) -> Predictor:
    if engine == "torch":
        raise InputError(f"{path}: the torch engine needs the folder of the bundle, found an ONNX file")
    from fathomline.predictor.onnx_engine import read_onnx  # the torch engine works without onnxruntime

    model = read_onnx(path)
    return Predictor(model.bundle, model.taxonomy, model.engine)


def _engine(folder: Path, bundle: BundleContent, taxonomy: Taxonomy, engine: EngineName) -> Engine:
    has_torch = not missing_packages(TORCH_PACKAGES)
    if engine == "torch" and not has_torch:
        raise InputError(f"the torch engine needs {', '.join(missing_packages(TORCH_PACKAGES))}: {INSTALL_TORCH}")
    if engine != "torch" and not (engine == "auto" and has_torch and _torch_has_a_gpu()):
        found = _onnx_engine(folder, bundle, exported_too=engine == "onnx")
        if found is not None:
            return found
    if engine == "onnx":
        return _exported_engine(folder)
    if not has_torch:
        raise InputError(
            f"{folder}: has no {ONNX_FILE} that can be used, and PyTorch is not installed: "
            f"{INSTALL_TORCH}, or run `fathomline export` where PyTorch is installed and copy the file into the folder"
        )
    from fathomline.predictor.torch_engine import load_torch_engine  # torch takes seconds to import

    return load_torch_engine(folder, bundle)


def _onnx_engine(folder: Path, bundle: BundleContent, exported_too: bool) -> Engine | None:
    """The engine of the first ONNX file that belongs to the bundle; those that do not are warned about."""
    if missing_packages(["onnxruntime"]):
        return None
    from fathomline.predictor.onnx_engine import read_onnx

    for path in _onnx_files(folder, exported_too):
        if path.is_file():
            try:
                model = read_onnx(path)
            except InputError as error:
                warning(f"{error}; ignored")
                continue
            if model.bundle == bundle:
                return model.engine
            warning(f"{path}: exported from a bundle other than {folder}; ignored")
    return None


def _onnx_files(folder: Path, exported_too: bool) -> Iterator[Path]:
    yield folder / ONNX_FILE
    whole = folder.resolve()  # "." has no name
    yield whole.with_name(f"{whole.name}.onnx")
    if exported_too:
        yield _cached(folder)


def _exported_engine(folder: Path) -> Engine:
    """Export the bundle to the user's cache, and load it from there."""
    missing = missing_packages(EXPORT_PACKAGES)
    if missing:
        raise InputError(
            f"{folder}: has no {ONNX_FILE} that can be used, and exporting it needs {', '.join(missing)}: "
            f"{INSTALL_EXPORT}, or run `fathomline export` elsewhere and copy the file into the folder"
        )
    from fathomline.predictor.export import write_onnx  # torch takes seconds to import
    from fathomline.predictor.onnx_engine import read_onnx

    write_onnx(folder, _cached(folder))
    return read_onnx(_cached(folder)).engine


def _cached(folder: Path) -> Path:
    content = read_json(folder / "bundle.json")
    assert isinstance(content, dict)  # read_bundle has checked it
    return cache_folder() / "onnx" / f"{content['sha256']}-{__version__}.onnx"


def _torch_has_a_gpu() -> bool:
    """Whether torch can use a GPU. torch takes seconds to import, and is imported only where there may be one."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    drivers = (Path("/proc/driver/nvidia/version"), Path("/dev/kfd"))
    if not (apple or shutil.which("nvidia-smi") or any(path.exists() for path in drivers)):
        return False
    from fathomline.model.device import best_device

    return best_device().type != "cpu"
