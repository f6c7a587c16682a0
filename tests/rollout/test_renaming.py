import torch

from grpo.rollout.renaming import renamed_weights, renaming, vocabulary_tensors

SHAPES = {
    "model.embed_tokens.weight": (10, 4),
    "model.layers.0.mlp.up_proj.weight": (8, 4),
    "model.norm.weight": (4,),
    "lm_head.weight": (10, 4),
}


def found(shapes: dict[str, tuple[int, ...]]) -> set[str]:
    return set(vocabulary_tensors((name, torch.Size(shape)) for name, shape in shapes.items()))


def test_embedding_and_head_are_found_by_name() -> None:
    assert found(SHAPES) == {"model.embed_tokens.weight", "lm_head.weight"}
    assert found({name: shape for name, shape in SHAPES.items() if name != "lm_head.weight"}) == {
        "model.embed_tokens.weight"
    }


def test_no_guess_where_rows_or_names_leave_a_doubt() -> None:
    assert found(SHAPES | {"model.layers.0.mlp.up_proj.weight": (10, 4)}) == set()
    assert found({"tokens.weight": (10, 4)}) == set()
    assert found(SHAPES | {"encoder.embed_tokens.weight": (10, 4)}) == set()


def test_rows_change_places_and_the_policy_does_not() -> None:
    weight = torch.arange(5.0)[:, None]
    policy = {"embed_tokens.weight": weight, "norm.weight": torch.ones(1)}
    names = renaming([1, 3, 4])
    assert names == {1: 3, 3: 4, 4: 1}
    renamed = dict(renamed_weights(iter(policy.items()), frozenset({"embed_tokens.weight"}), names))
    assert renamed["embed_tokens.weight"][:, 0].tolist() == [0, 4, 2, 1, 3]
    assert renamed["norm.weight"] is policy["norm.weight"]
    assert weight[:, 0].tolist() == [0, 1, 2, 3, 4]
