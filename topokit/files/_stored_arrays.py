"""What frameworks call an array, as numpy or scipy holds it, and where it is not zero.

Dense arrays become `numpy.ndarray`, sparse matrices `scipy.sparse.coo_array`: of scipy, of PyTorch
(COO, CSR and what turns into them) and of JAX (BCOO, BCSR). Half precision becomes single, so that
numpy knows it. No framework is imported for this; each is told by what its arrays can do.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from scipy import sparse

from topokit.layers import check_graph

Stored = np.ndarray | sparse.coo_array
INDEXED = ("csr", "csc", "bsr")


def is_array(value: Any) -> bool:
    """Whether a value is an array of any framework, or of numbers in lists."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_numbers, value))
    return hasattr(value, "detach") or hasattr(value, "shape") and hasattr(value, "dtype")


def stored(label: str, value: Any) -> Stored:
    """The array behind a value; `label` names it in the ValueError if there is none."""
    try:
        if sparse.issparse(value):
            return _of_scipy(value)
        if hasattr(value, "detach"):
            value = _of_torch(value)
        elif hasattr(value, "todense"):
            value = _of_jax(value)
        return value if isinstance(value, sparse.coo_array) else _known(np.asarray(value))
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{label} cannot be read as an array of numbers: {error}") from error


def shape_of(array: Stored | sparse.csr_array) -> tuple[int, ...]:
    """The shape, as numpy and scipy both have it."""
    return tuple(array.shape or ())


def nonzeros(label: str, arrays: Sequence[Stored]) -> sparse.csr_array:
    """Where no matrix of finite real numbers is zero, as a sparse matrix of ones."""
    for array in arrays:
        _check_numbers(label, array if isinstance(array, np.ndarray) else array.data)
    dense = [array != 0 for array in arrays if isinstance(array, np.ndarray)]
    found = [_of_ones(array) for array in arrays if not isinstance(array, np.ndarray)]
    if dense:
        both = reduce(np.logical_and, dense)
        check_graph(0, int(np.count_nonzero(both)))
        found.append(_of_ones(sparse.csr_array(both)))
    return _of_ones(reduce(lambda a, b: a.multiply(b), found))


def _of_ones(matrix: Any) -> sparse.csr_array:
    found = sparse.csr_array(matrix)
    found.sum_duplicates()
    found.eliminate_zeros()
    found.sort_indices()
    return sparse.csr_array(
        (np.ones(found.nnz, np.int8), found.indices, found.indptr), shape=shape_of(found)
    )


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_numbers, value))
    return isinstance(value, bool | int | float | np.generic)


def _of_scipy(matrix: Any) -> sparse.coo_array:
    """A copy, after a look at indices that scipy itself would follow out of bounds."""
    if matrix.format in INDEXED:
        matrix.check_format(full_check=True)
    found = sparse.coo_array(matrix)
    found.sum_duplicates()
    return found


def _of_torch(tensor: Any) -> Any:
    """Without gradient, scale, layout and device of its own."""
    tensor = tensor.detach()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided":
        tensor = tensor.to_sparse_coo().coalesce()
        if tensor.dim() == 2 and tensor.dense_dim() == 0:
            values, places = _of_torch(tensor.values()), tensor.indices().cpu().numpy()
            return sparse.coo_array((np.asarray(values), tuple(places)), shape=tuple(tensor.shape))
        tensor = tensor.to_dense()
    elif hasattr(tensor, "to_dense") and type(tensor).__name__.startswith("SparseSemiStructured"):
        tensor = tensor.to_dense()
    if str(getattr(tensor, "dtype", "")).startswith(("torch.bfloat", "torch.float8")):
        tensor = tensor.float()
    return tensor.cpu()


def _of_jax(matrix: Any) -> Any:
    """Entries beyond the shape are padding, entries of one place add up."""
    if type(matrix).__name__ != "BCOO" or matrix.ndim != 2 or matrix.n_batch or matrix.n_dense:
        return matrix.todense()
    places, values = np.asarray(matrix.indices), _known(np.asarray(matrix.data))
    inside = (places < matrix.shape).all(axis=1)
    found = sparse.coo_array((values[inside], tuple(places[inside].T)), shape=matrix.shape)
    found.sum_duplicates()
    return found


def _known(array: np.ndarray) -> np.ndarray:
    """Numbers of a type that scipy knows; packages such as ml_dtypes add small ones to numpy."""
    small = array.dtype.kind == "V" and array.dtype.type is not np.void
    return array.astype(np.float32) if small or array.dtype == np.float16 else array


def _check_numbers(label: str, values: np.ndarray) -> None:
    if values.dtype.kind == "V":
        raise ValueError(
            f"{label} holds {values.dtype}, numbers of a type that the file does not name, as .npz "
            "does with bfloat16; convert it to float32 before it is saved"
        )
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{label} must hold booleans or real numbers; given {values.dtype}; convert it, say to "
            "float32"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{label} holds NaN or infinity; give finite numbers")
    if values.dtype.kind in "iu" and values.dtype.itemsize == 1 and values.size:
        span = int(values.min()), int(values.max())
        if not -1 <= span[0] <= span[1] <= 1:
            raise ValueError(
                f"{label} holds {values.dtype} from {span[0]} to {span[1]}, as quantized weights "
                "do, whose zero may be another number; give the numbers that they stand for, "
                "(q - zero_point) * scale, or a mask of booleans"
            )
