"""The attention and MLP blocks that temporal pooling and interaction are built from."""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention of queries to keys, of which each row has its own mask with at least one True."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        queries: Float[Tensor, "b q d"],
        keys: Float[Tensor, "b k d"],
        keys_mask: Bool[Tensor, "b k"],
    ) -> Float[Tensor, "b q d"]:
        return self.attend(queries, self.keys_values(keys), keys_mask)

    def attend(
        self,
        queries: Float[Tensor, "b q d"],
        keys_values: Float[Tensor, "b k e"],
        keys_mask: Bool[Tensor, "b k"],
    ) -> Float[Tensor, "b q d"]:
        """The same with `self.keys_values(keys)` made before, once for keys that many queries look at."""
        key, value = keys_values.chunk(2, dim=-1)
        attended = functional.scaled_dot_product_attention(
            self._split(self.queries(queries)),
            self._split(key),
            self._split(value),
            attn_mask=keys_mask[:, None, None, :],
        )
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, values: Float[Tensor, "b n d"]) -> Float[Tensor, "b heads n e"]:
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def linear_from_zero(inputs: int, outputs: int) -> nn.Linear:
    """A layer that gives 0 until it has learned: what it is added to starts unchanged."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(width: int) -> nn.Module:
    """Norm, four times wider, GELU, back."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
    )
