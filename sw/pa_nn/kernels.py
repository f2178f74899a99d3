"""The passes over activations and weights that PA adds to training, compiled where possible.

All functions run in a small C++ library on the CPU, and in plain PyTorch anywhere else (CUDA, no
compiler, other data types, N above 127, or ``PA_NN_KERNELS=torch`` in the environment).  Both ways
give the same result to the last bit: sums run in one documented order, whatever the number of
threads.

The library is built with ``c++`` (or ``$CXX``) at first use, in about two seconds, and kept in
``$PA_NN_CACHE`` or ``~/.cache/pa_nn`` under a hash of source, flags, compiler and processor.
"""

import ctypes
import hashlib
import math
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F

__all__ = [
    "back_propagate",
    "compiled",
    "inner",
    "look_up",
    "mean_and_std",
    "plain_torch",
    "split",
]

# Order of the sums: element e of a block of BLOCK is added to float32 lane e % LANES; lanes are
# added in ascending order, then blocks, in float64.
BLOCK = 4096
LANES = 16
_SOURCE = Path(__file__).with_name("kernels.cpp")
_FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-std=c++17", "-fPIC", "-shared")
_SUFFIX = {torch.float32: "f32", torch.bfloat16: "bf16"}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(line for line in lines if line.startswith(("model name", "flags")))[:8192]


def _cache_folder() -> Path:
    return Path(os.environ.get("PA_NN_CACHE") or Path.home() / ".cache" / "pa_nn")


def _build(compiler: str, flags: tuple[str, ...]) -> Path:
    """Compile the library unless it is there already, and return its path."""
    key = hashlib.sha256(
        b"\0".join([_SOURCE.read_bytes(), repr((compiler, flags)).encode(), _processor().encode()])
    ).hexdigest()[:24]
    library = _cache_folder() / f"kernels-{key}.so"
    if library.is_file():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        output = Path(folder) / library.name
        # Compile and link apart: -fopenmp at the link would bring in a second libgomp, whose
        # threads and PyTorch's spin against each other.  Left undefined, GOMP_* resolve to the
        # one PyTorch has loaded globally.
        unlinked = output.with_suffix(".o")
        compile_flags = [flag for flag in flags if flag != "-shared"]
        subprocess.run(
            [compiler, *compile_flags, "-c", str(_SOURCE), "-o", str(unlinked)],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [compiler, "-shared", str(unlinked), "-o", str(output)],
            check=True,
            capture_output=True,
        )
        os.replace(output, library)
    return library


def _load(flags: tuple[str, ...]) -> ctypes.CDLL:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        raise OSError("no C++ compiler found (c++ or $CXX)")
    library = ctypes.CDLL(str(_build(compiler, flags)))
    pointer, size, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    for suffix in _SUFFIX.values():
        look_up = getattr(library, f"pa_look_up_{suffix}")
        look_up.argtypes = [pointer, size, pointer, pointer, number, pointer, pointer, number]
        look_up.restype = None
        back = getattr(library, f"pa_back_propagate_{suffix}")
        back.argtypes = [pointer, pointer, size, pointer, number, pointer, pointer, number]
        back.restype = None
    library.pa_sum.argtypes = [pointer, size]
    library.pa_sum_of_squares.argtypes = [pointer, size, ctypes.c_double]
    library.pa_sum.restype = library.pa_sum_of_squares.restype = ctypes.c_double
    library.pa_split.argtypes = [pointer, size, pointer, number, pointer, pointer]
    library.pa_split.restype = None
    return library


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    if os.environ.get("PA_NN_KERNELS", "").lower() == "torch":
        return None
    try:
        try:
            return _load((*_FLAGS, "-fopenmp"))
        except OSError:
            return _load(_FLAGS)  # no OpenMP to share with PyTorch: one thread
    except (OSError, subprocess.CalledProcessError) as error:
        warnings.warn(
            f"PA kernels could not be compiled, plain PyTorch is used instead: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def compiled() -> bool:
    """Whether the compiled kernels are in use; builds them at the first call."""
    return not _plain and _library() is not None


_plain = False


@contextmanager
def plain_torch() -> Iterator[None]:
    """Use plain PyTorch in this block, to compare with."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


def _is_dense(x: torch.Tensor) -> bool:
    return x.is_contiguous() or (
        x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    )


def _flat(x: torch.Tensor) -> torch.Tensor:
    """Elements of a dense tensor in memory order."""
    return x.as_strided((x.numel(),), (1,))


def _library_for(x: torch.Tensor, intervals: int) -> ctypes.CDLL | None:
    if _plain or x.device.type != "cpu" or x.dtype not in _SUFFIX or intervals > 256:
        return None
    return _library()


def _table(values: torch.Tensor) -> torch.Tensor:
    """``values`` with the padding that the library expects."""
    return F.pad(values, (0, max(0, LANES - len(values))))


def look_up(
    x: torch.Tensor, ends: torch.Tensor, levels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace each element by the level of its interval, and tell the interval.

    Parameters
    ----------
    x : tensor of any shape
        An element equal to an end belongs to the interval above; one exactly 0 to interval 0.
    ends : float32 (H - 1,)
        Ascending ends.
    levels : float32 (H,)
        Level of each interval; interval 0 and the one that holds 0 must share theirs.

    Returns
    -------
    out : like ``x``
        NaN stays NaN.
    intervals : uint8 (int16 for H above 256), like ``x``
    """
    if not _is_dense(x):
        x = x.contiguous()
    count = len(levels)
    library = _library_for(x, count)
    if library is None:
        return _look_up_torch(x, ends, levels)
    ends, levels = ends.contiguous(), _table(levels)
    out = torch.empty_like(x)
    intervals = torch.empty_like(x, dtype=torch.uint8)
    getattr(library, f"pa_look_up_{_SUFFIX[x.dtype]}")(
        x.data_ptr(),
        x.numel(),
        ends.data_ptr(),
        levels.data_ptr(),
        count,
        out.data_ptr(),
        intervals.data_ptr(),
        torch.get_num_threads(),
    )
    return out, intervals


def _look_up_torch(
    x: torch.Tensor, ends: torch.Tensor, levels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    # Values beyond any end take the top interval; NaN is put in interval 0, as in the kernel.
    index = torch.bucketize(x.float().contiguous(), ends, right=True)
    index = torch.where((x == 0) | x.isnan(), 0, index)
    out = torch.where(x.isnan(), x, levels.to(x.dtype)[index])
    return out, index.to(torch.uint8 if len(levels) <= 256 else torch.int16)


def back_propagate(
    grad: torch.Tensor, intervals: torch.Tensor, slopes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale each gradient by the slope of its interval, and sum the gradients of each interval.

    Parameters
    ----------
    grad : tensor of any shape
    intervals : tensor of the same shape
        As :func:`look_up` made them.
    slopes : float32 (H,)

    Returns
    -------
    grad_x : like ``grad``, in the memory layout of ``intervals``
    sums : float64 (H,)
        Sum of ``grad`` over each interval.
    """
    if grad.stride() != intervals.stride():
        grad = torch.empty_like(intervals, dtype=grad.dtype).copy_(grad)
    count = len(slopes)
    library = _library_for(grad, count)
    if library is None:
        return _back_propagate_torch(grad, intervals, slopes)
    slopes = _table(slopes)
    out = torch.empty_like(grad)
    blocks = -(-grad.numel() // BLOCK)
    partial = torch.empty(blocks, count, dtype=torch.float64)
    getattr(library, f"pa_back_propagate_{_SUFFIX[grad.dtype]}")(
        grad.data_ptr(),
        intervals.data_ptr(),
        grad.numel(),
        slopes.data_ptr(),
        count,
        out.data_ptr(),
        partial.data_ptr(),
        torch.get_num_threads(),
    )
    return out, _sum_blocks(partial)


def _back_propagate_torch(
    grad: torch.Tensor, intervals: torch.Tensor, slopes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    out = (grad.float() * slopes[intervals.long()]).to(grad.dtype)
    count = len(slopes)
    element = torch.arange(grad.numel(), device=grad.device)
    blocks = -(-grad.numel() // BLOCK)
    lane = element // BLOCK * LANES + element % LANES
    partial = torch.bincount(
        lane * count + _flat(intervals).long(),
        weights=_flat(grad).float(),
        minlength=blocks * LANES * count,
    )
    partial = partial.double().view(blocks, LANES, count)
    total = partial[:, 0]
    for index in range(1, LANES):
        total = total + partial[:, index]
    return out, _sum_blocks(total)


def _sum_blocks(partial: torch.Tensor) -> torch.Tensor:
    """Sum ``(blocks, H)`` over blocks, in order."""
    if len(partial) == 0:
        return partial.new_zeros(partial.shape[1])
    return partial.cumsum(0)[-1]


def inner(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Sum of the products of two tensors of one shape, a float32 tensor of no dimension."""
    if not _is_dense(one):
        one = one.contiguous()
    if one.stride() != other.stride():
        other = torch.empty_like(one, dtype=other.dtype).copy_(other)
    return torch.dot(_flat(one).float(), _flat(other).float())


def mean_and_std(values: torch.Tensor) -> tuple[float, float]:
    """Mean and population standard deviation of a float tensor, summed in order in float64."""
    values = values.detach().contiguous()
    count = values.numel()
    library = _library_for_weights(values)
    if library is not None:
        mean = library.pa_sum(values.data_ptr(), count) / count
        squares = library.pa_sum_of_squares(values.data_ptr(), count, mean)
    else:
        wide = values.flatten().double()
        mean = float(wide.cumsum(0)[-1]) / count
        squares = float(((wide - mean) ** 2).cumsum(0)[-1])
    return mean, math.sqrt(squares / count)


def split(values: torch.Tensor, ends: Sequence[float]) -> tuple[torch.Tensor, list[float]]:
    """Interval of each element between ascending ends, and the sum of each interval.

    Parameters
    ----------
    values : float tensor of any shape
        An element equal to an end belongs to the interval above.
    ends : H - 1 floats

    Returns
    -------
    intervals : int16, like ``values``, contiguous
    sums : H floats, added in order in float64
    """
    values = values.detach().contiguous()
    limits = torch.tensor(ends, dtype=torch.float64, device=values.device)
    count = len(ends) + 1
    library = _library_for_weights(values)
    if library is not None:
        intervals = torch.empty_like(values, dtype=torch.int16)
        sums = torch.empty(count, dtype=torch.float64)
        library.pa_split(
            values.data_ptr(),
            values.numel(),
            limits.data_ptr(),
            count,
            intervals.data_ptr(),
            sums.data_ptr(),
        )
        return intervals, sums.tolist()
    wide = values.double()
    index = torch.bucketize(wide, limits, right=True)
    sums = torch.bincount(index.flatten(), weights=wide.flatten(), minlength=count)
    return index.to(torch.int16), sums.tolist()


def _library_for_weights(values: torch.Tensor) -> ctypes.CDLL | None:
    return _library_for(values, 0) if values.dtype == torch.float32 else None
