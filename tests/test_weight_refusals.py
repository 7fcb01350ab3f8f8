"""Weights that are no chain of layers, or arguments that do not fit: one error, with the cure."""

from typing import Any

import numpy as np
import pytest
from frameworks import thin
from scipy import sparse

from topokit.files._from_weights import from_weights


class Model:
    """What a module of PyTorch shows, which may also be a sequence of others."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def __iter__(self) -> Any:
        return iter([self])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (Model(), r"given Model; give its arrays, weights.state_dict\(\)"),
        ([Model()], r"weights\[0\] is of Model, no matrix; .* weights\[0\].state_dict\(\)"),
        (np.eye(3), r"given ndarray; write \[matrix\]"),
        (sparse.csr_matrix(np.eye(3)), r"given csr_matrix; write \[matrix\]"),
    ],
)
def test_what_is_no_list_of_arrays_is_told_what_to_give(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_weights(weights)


def test_a_cure_is_shown_once() -> None:
    with pytest.raises(ValueError, match="they chain with transpose=True") as refused:
        from_weights([np.ones((2, 3)), np.ones((4, 2))])
    assert str(refused.value).count("transpose=True") == 1


ones, square = np.ones, np.arange(9.0).reshape(3, 3)

# What has no reading as a chain of layers, or one that the arrays do not hold, and the cure.
REFUSED: dict[str, tuple[Any, str]] = {
    "peft, low rank": (
        {
            "base_model.model.0.base_layer.weight": ones((4, 4)),
            "base_model.model.0.lora_A.default.weight": ones((2, 4)),
            "base_model.model.0.lora_B.default.weight": ones((4, 2)),
        },
        "merge_and_unload",
    ),
    "nnx, low rank": (
        {"a": {"kernel": square, "lora": {"lora_a": ones((3, 1)), "lora_b": ones((1, 3))}}},
        "merge it first",
    ),
    "torch, attention": (
        {"in_proj_weight": ones((12, 4)), "out_proj.weight": ones((4, 4))},
        r"names=\[...\]",
    ),
    "torch, transformer": (
        {"self_attn.out_proj.weight": ones((4, 4)), "linear1.weight": ones((8, 4))},
        r"names=\[...\].* such as 'linear1.weight'",
    ),
    "flax, attention": (
        {n: {"kernel": ones((4, 2, 2))} for n in ("query", "key", "value", "out")},
        r"attention.* names=\[...\]",
    ),
    "torch, recurrent": (
        {"weight_ih_l0": ones((3, 3)), "weight_hh_l0": ones((3, 3))},
        "recurrent",
    ),
    "flax, embedding": (
        {"Embed_0": {"embedding": ones((4, 4))}, "Dense_0": {"kernel": ones((4, 4))}},
        "embeddings",
    ),
    "torch, embedding": (
        {"embed.weight": ones((4, 4)), "fc.weight": ones((4, 4))},
        "embeddings",
    ),
    "torch, dynamic quantization": (
        {"0._packed_params._packed_params": (square, ones(3)), "2.weight": square},
        r"names=\[...\]|quantized",
    ),
    "torch, quantization in training": (
        {"0.weight": ones((2, 3)), "0.weight_fake_quant.scale": ones(1)},
        "dequantized",
    ),
    "torch, packed integers": (
        {"0.weight": np.full((4, 3), 128, np.uint8), "0.bias": ones(4)},
        "zero_point",
    ),
    "bitsandbytes": (
        {"0.weight": np.ones((6, 1), np.uint8), "0.weight.absmax": ones(3)},
        "dequantized",
    ),
    "GPTQ": (
        {"0.qweight": np.ones((1, 3), np.int32), "0.scales": ones((1, 3)), "0.bias": ones(3)},
        r"names=\[...\]|quantized",
    ),
    "torch, orthogonal": (
        {"parametrizations.weight.original": square, "parametrizations.weight.0.base": square},
        "remove_parametrizations",
    ),
    "torch, symmetric": ({"parametrizations.weight.original": square}, "remove_parametrizations"),
    "torch, parameters without masks": (
        {"0.weight_orig": square, "0.bias": ones(3)},
        r"state_dict\(\).*masks=",
    ),
    "torch, one layer twice": ({"0.weight": square, "2.weight": square}, "list of the matrices"),
    "torch, tied autoencoder": (
        {"0.weight": square[:2], "0.bias": ones(2), "1.weight": square[:2].T, "1.bias": ones(3)},
        "list of the matrices",
    ),
    "torch, experts": ({f"experts.{n}.weight": square + n for n in (0, 1)}, "side by side"),
    "torch, heads": ({f"heads.{n}.weight": square + n for n in (0, 1)}, "side by side"),
    "torch, numbered heads": ({f"head{n}.weight": square + n for n in (1, 2)}, "side by side"),
    "torch, two heads": (
        {
            "trunk.weight": ones((4, 2)),
            "policy_head.weight": ones((4, 4)),
            "value_head.weight": ones((1, 4)),
        },
        "several heads, side by side.* such as 'trunk.weight'",
    ),
    "haiku, recurrent": (
        {"lstm/linear": {"w": ones((8, 16))}, "linear": {"w": ones((16, 2))}},
        "'lstm/linear/w'. is of a recurrent layer.* such as 'linear/w'",
    ),
    "flax, recurrent": (
        {"LSTMCell_0": {n: {"kernel": square + len(n)} for n in ("ii", "hi", "if", "hf")}},
        "recurrent",
    ),
    "flax, a cell alone": ({n: {"kernel": square} for n in ("hr", "ir", "hz")}, "recurrent"),
    "a scale of neurons": (
        {"fc.weight": ones((3, 2)), "fc.weight_scale": np.array([1.0, 0.0, 2.0])},
        "holds zeros.*multiply them in",
    ),
    "torch, gated": (
        {
            "w1.weight": ones((6, 4)),
            "w2.weight": ones((4, 6)),
            "w3.weight": ones((6, 4)),
            "w1.bias": ones(6),
            "w2.bias": ones(4),
            "w3.bias": ones(6),
        },
        "gated",
    ),
    "torch, projections": (
        {
            f"{n}_proj.weight": ones(s)
            for n, s in (("gate", (6, 4)), ("up", (6, 4)), ("down", (4, 6)))
        },
        "gate",
    ),
    "torch, skip": (
        {"fc1.weight": ones((3, 2)), "fc2.weight": ones((4, 3)), "skip.weight": ones((4, 2))},
        "skips layers",
    ),
    "torch, convolution": ({"0.weight": ones((6, 3, 5, 5))}, "convolution kernel"),
    "torch, convolution of one channel": ({"0.weight": ones((1, 1, 5, 5))}, "convolution kernel"),
    "torch, convolution in a list": ([ones((1, 1, 5, 5))], "convolution kernel"),
    "flax, convolution": ({"kernel": ones((3, 3, 1, 1))}, "convolution kernel"),
    "flax, general": ({"kernel": ones((4, 3, 2)), "bias": ones((3, 2))}, "does not tell|several"),
    "torch, bilinear": ({"weight": ones((2, 3, 4)), "bias": ones(2)}, "several matrices"),
    "flax, weight norm": (
        {
            "Dense_0": {"kernel": square, "bias": ones(3)},
            "WeightNorm_0": {"Dense_0/kernel/scale": np.array([1.0, 0.0, 2.0])},
        },
        "holds zeros.*multiply them in",
    ),
    "mask of another shape": (
        {"0.weight": ones((3, 2)), "0.mask": ones((2, 3))},
        r"0.mask'\] has shape \(2, 3\), its weights have \(3, 2\)",
    ),
    "mask of neurons": ({"0.weight": ones((3, 2)), "0.mask": ones(3)}, r"has shape \(3,\)"),
    "mask of nothing": ({"0.weight": square, "attn_mask": ones((3, 3))}, "masks="),
    "one mask for two": (
        {"0.weight": square, "0.kernel": square + 1, "0.mask": ones((3, 3))},
        "masks=",
    ),
    "matrix of another name": ({"0.weight": ones((2, 2)), "0.keep": np.eye(2)}, "masks="),
    "causal mask": ({"h.bias": ones((1, 1, 4, 4)), "h.weight": ones((4, 4))}, "names="),
    "moments alone": ({"exp_avg.0": square, "fc.weight": ones((3, 3))}, "names="),
    "an object": ({"0.weight": square, "packed": object()}, "leave it out"),
    "complex": ({"kernel": square * 1j}, "convert it"),
    "decoder first": (
        {"decoder": {"kernel": ones((2, 4))}, "encoder": {"kernel": ones((4, 2))}},
        'order="given".*names=',
    ),
    "numbers downward": ({f"up{n}": {"kernel": square + n} for n in (3, 2, 1)}, 'order="given"'),
    "bias of another layer": ({"0.weight": ones((3, 2)), "0.bias": ones(5)}, "groups="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_of_layers_is_refused_with_the_cure(name: str) -> None:
    weights, cure = REFUSED[name]
    with pytest.raises(ValueError, match=cure):
        from_weights(weights)


def test_the_question_of_many_layers_is_short_and_shows_the_order_of_numbers() -> None:
    rng = np.random.default_rng(0)
    kernels = {f"Dense_{n}": {"kernel": thin(rng, 3, 3)} for n in range(12)}
    with pytest.raises(ValueError, match='order="given", or as .* order="numbers"; say') as asked:
        from_weights(dict(sorted(kernels.items())))
    assert "widths (3, 3, 3, 3, 3, 3, ..., 3)" in str(asked.value)
    assert len(str(asked.value)) < 250


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"transpose": [True]}, "transpose has 1 entries for 2 layers"),
        ({"order": "sorted"}, "order must be 'given' or 'numbers'"),
        ({"masks": [square, None]}, "masks of a mapping must be one from the names"),
        ({"masks": {"2.weight": square}}, r"masks names '2.weight', but the layers are '0.weight'"),
        ({"masks": {"0.weight": "mask"}}, r"masks\['0.weight'\] is 'mask', but weights has"),
        ({"masks": {"0.weight": ones((2, 3))}}, "has shape"),
        ({"groups": {"2.weight": 2}}, "groups names '2.weight'"),
        ({"groups": 0}, "groups of .* must be an integer"),
        ({"groups": 2, "transpose": [True, True]}, "groups must divide the 3 channels"),
    ],
)
def test_what_is_said_wrong_is_named(said: dict[str, Any], message: str) -> None:
    weights = {"0.weight": ones((3, 3, 1, 1)), "1.weight": square}
    with pytest.raises(ValueError, match=message):
        from_weights(weights, **said)
